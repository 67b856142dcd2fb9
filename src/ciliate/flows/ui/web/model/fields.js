/** A flow in full, in groups, each value with the words by which it can be filtered. Pure. */

import { enumName } from "../flow_api/enums.js";
import { MESSAGES } from "../flow_api/messages.js";
import { dropReason, RESERVED, typeName, typeWord } from "./names.js";
import { exactTime, milliseconds, timeOfDay } from "./time.js";

/** @typedef {{name: string, text: string, word?: {name: string, value: string}, title?: string}} Field */
/** @typedef {{title: string, fields: Field[]}} Group */

/** @param {any} flow a flow.Flow @returns {Group[]} */
export function groupsOf(flow) {
  const groups = [
    { title: "", fields: eventFields(flow) },
    {
      title: "Source",
      fields: endFields(
        flow.source ?? {},
        "from",
        flow.IP?.source,
        port(flow, "source_port"),
        flow.source_service,
        flow.source_names,
      ),
    },
    {
      title: "Destination",
      fields: endFields(
        flow.destination ?? {},
        "to",
        flow.IP?.destination,
        port(flow, "destination_port"),
        flow.destination_service,
        flow.destination_names,
      ),
    },
    { title: "Packet", fields: packetFields(flow) },
    { title: "Application", fields: applicationFields(flow.l7) },
    { title: "Policy", fields: policyFields(flow) },
    { title: "Where it was seen", fields: placeFields(flow) },
  ];
  return groups
    .map(({ title, fields }) => ({ title, fields: fields.filter((field) => field.text !== "") }))
    .filter(({ fields }) => fields.length);
}

/** The words of the connection that a flow is of, or null. @param {any} flow */
export function connectionWord(flow) {
  const [protocol, ports] = Object.entries(flow.l4 ?? {})[0] ?? [];
  if (!flow.IP || !ports?.source_port || !ports.destination_port) return null;
  const end = (address, number) => `${address.includes(":") ? `[${address}]` : address}:${number}`;
  const value = `${protocol.toLowerCase()}:${end(flow.IP.source, ports.source_port)}-${end(
    flow.IP.destination,
    ports.destination_port,
  )}`;
  return { name: "connection", value, not: false };
}

function field(name, text, word, title) {
  const shown = text === undefined || text === null ? "" : String(text);
  return { name, text: shown, word: word && { name: word, value: shown }, title };
}

function worded(name, text, word, value) {
  return { name, text: text ?? "", word: { name: word, value } };
}

function eventFields(flow) {
  const verdict = enumName("flow.Verdict", flow.verdict);
  const { type = 0, sub_type = 0 } = flow.event_type ?? {};
  const reason = flow.drop_reason_desc ? enumName("flow.DropReason", flow.drop_reason_desc) : "";
  const reply = flow.is_reply === undefined ? "" : flow.is_reply.value ? "yes" : "no";
  return [
    field("Time", timeOfDay(milliseconds(flow.time)), undefined, exactTime(flow.time)),
    worded("Verdict", verdict.toLowerCase(), "verdict", verdict.toLowerCase()),
    worded("Drop reason", dropReason(flow.drop_reason_desc), "drop-reason", reason),
    field("Decided at", flow.file && `${flow.file.name}:${flow.file.line}`),
    worded("Type", typeName(type, sub_type), "type", typeWord(type, sub_type)),
    field("Reply", reply),
    field("Summary", flow.Summary),
  ];
}

function endFields(end, side, address, portNumber, service, names) {
  const workload = end.workloads?.[0];
  const pod = end.pod_name && `${end.namespace}/${end.pod_name}`;
  const reserved = RESERVED[end.identity];
  return [
    field("Pod", pod, `${side}-pod`),
    field("Namespace", end.namespace, `${side}-namespace`),
    field("Workload", workload && `${workload.kind}/${workload.name}`, `${side}-workload`),
    field("Service", service?.name && `${service.namespace}/${service.name}`, `${side}-service`),
    ...(names ?? []).map((name) => field("Name", name, `${side}-fqdn`)),
    field("Address", address, `${side}-ip`),
    field("Port", portNumber || "", `${side}-port`),
    {
      ...field("Identity", end.identity, `${side}-identity`),
      ...(reserved && { text: `${end.identity} (${reserved})` }),
      ...(end.identity !== undefined && {
        word: { name: `${side}-identity`, value: String(end.identity) },
      }),
    },
    field("Endpoint", end.ID),
    field("Cluster", end.cluster_name),
    ...(end.labels ?? []).map((label) => field("Label", label, `${side}-label`)),
  ];
}

function packetFields(flow) {
  const [protocol, l4] = Object.entries(flow.l4 ?? {})[0] ?? ["", {}];
  const flags = Object.entries(l4.flags ?? {})
    .filter(([, isSet]) => isSet)
    .map(([name]) => name);
  return [
    field("Protocol", protocol.toLowerCase(), "protocol"),
    field("TCP flags", flags.join(","), "tcp-flags"),
    field("ICMP type", protocol.startsWith("ICMP") ? `${l4.type ?? 0}, code ${l4.code ?? 0}` : ""),
    flow.IP
      ? worded(
          "IP version",
          enumName("flow.IPVersion", flow.IP.ipVersion),
          "ip-version",
          flow.IP.ipVersion === 2 ? "6" : "4",
        )
      : field("IP version", ""),
    field("Left as", flow.IP?.source_xlated, "snat-ip"),
    field("Encrypted", flow.IP?.encrypted ? "yes" : ""),
    field(
      "MAC",
      flow.ethernet && `${flow.ethernet.source ?? "?"} → ${flow.ethernet.destination ?? "?"}`,
    ),
    field("Tunnel", flow.tunnel && enumName("flow.Tunnel.Protocol", flow.tunnel.protocol)),
    field("VNI", flow.tunnel?.vni),
  ];
}

function applicationFields(l7) {
  if (!l7) return [];
  const { http, dns } = l7;
  return [
    field("Kind", enumName("flow.L7FlowType", l7.type).toLowerCase()),
    field("Latency", l7.latency_ns ? `${(Number(l7.latency_ns) / 1e6).toFixed(1)} ms` : ""),
    field("Method", http?.method, "http-method"),
    field("URL", http?.url),
    field("Status", http?.code || "", "http-status"),
    ...(http?.headers ?? []).map((header) =>
      field("Header", `${header.key}: ${header.value ?? ""}`),
    ),
    field("DNS query", dns?.query),
    field("DNS answer", [...(dns?.cnames ?? []), ...(dns?.ips ?? [])].join(", ")),
    field("DNS rcode", dns?.rcode || ""),
  ];
}

function policyFields(flow) {
  const named = (policies, name) =>
    (policies ?? []).map((policy) =>
      field(
        name,
        `${policy.kind || "policy"} ${policy.namespace ? `${policy.namespace}/` : ""}${policy.name}`,
      ),
    );
  return [
    ...named(flow.ingress_allowed_by, "Allowed by"),
    ...named(flow.egress_allowed_by, "Allowed by"),
    ...named(flow.ingress_denied_by, "Denied by"),
    ...named(flow.egress_denied_by, "Denied by"),
    ...(flow.policy_log ?? []).map((text) => field("Log", text)),
  ];
}

function placeFields(flow) {
  const direction = flow.traffic_direction
    ? enumName("flow.TrafficDirection", flow.traffic_direction).toLowerCase()
    : "";
  return [
    field("Node", flow.node_name, "node"),
    field("Interface", flow.interface && (flow.interface.name || flow.interface.index)),
    field("Direction", direction, "direction"),
    field(
      "Trace reason",
      flow.trace_reason ? enumName("flow.TraceReason", flow.trace_reason).toLowerCase() : "",
    ),
    field("Socket cookie", flow.socket_cookie),
    field("Cgroup", flow.cgroup_id),
    field("UUID", flow.uuid, "uuid"),
  ];
}

function port(flow, name) {
  return Object.values(flow.l4 ?? {})[0]?.[name];
}

/** The flow as `hubble observe -o json` prints it: names of enums, times as text.
 * @param {string} type @param {any} message @returns {any} */
export function plain(type, message) {
  if (type === "google.protobuf.Timestamp") return exactTime(message);
  const kinds = Object.fromEntries(
    Object.values(MESSAGES[type]).map(([name, kind]) => [name, kind]),
  );
  if (type.startsWith("google.protobuf.") && "value" in kinds && !("type_url" in kinds))
    return message.value ?? false;
  return Object.fromEntries(
    Object.entries(message).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map((each) => one(kinds[name], each)) : one(kinds[name], value),
    ]),
  );
}

function one(kind, value) {
  if (MESSAGES[kind]) return plain(kind, value);
  if (kind.includes(".")) return enumName(kind, value);
  return kind.endsWith("64")
    ? String(value)
    : value instanceof Uint8Array
      ? btoa(String.fromCharCode(...value))
      : value;
}
