/**
 * A flow as a row of the table and a part of the map; its octets stay, and all of it is read from them
 * when somebody asks. Pure.
 */

import { enumName } from "../flow_api/enums.js";
import { reader } from "../flow_api/wire.js";
import { DROP, dropReason, L7, typeName } from "./names.js";
import { Pool } from "./pool.js";
import { milliseconds } from "./time.js";

/**
 * @typedef {object} End
 * @property {number} identity
 * @property {string} namespace
 * @property {string} pod
 * @property {string[]} labels
 * @property {string} workload
 * @property {string} kind of the workload
 */

/**
 * @typedef {object} Row
 * @property {number} sequence
 * @property {number} ms when, since 1970
 * @property {number} verdict
 * @property {End} source
 * @property {End} destination
 * @property {string} sourceIp
 * @property {string} destinationIp
 * @property {string} sourceName a Service, or a name of DNS
 * @property {string} destinationName
 * @property {number} sourcePort 0: none
 * @property {number} destinationPort
 * @property {string} protocol
 * @property {string} summary of its L7, or of ICMP
 * @property {string} flags of TCP
 * @property {number} eventType
 * @property {number} subType
 * @property {string} type
 * @property {string} reason of a drop
 * @property {string} node
 * @property {boolean | undefined} reply undefined: not known
 * @property {number} place of its octets in a store
 * @property {number} length
 */

const FLAGS = ["SYN", "ACK", "RST", "FIN", "PSH", "URG", "ECE", "CWR", "NS"];
/** @type {End} */
const NOBODY = { identity: 0, namespace: "", pod: "", labels: [], workload: "", kind: "" };

const utf8 = new TextDecoder();
const texts = new Pool(8192, (octets) => utf8.decode(octets));
const readEndpoint = reader("flow.Endpoint");
const ends = new Pool(4096, (octets) => endOf(readEndpoint(octets)));
const flags = new Pool(256, (octets) => flagNames(readFlags(octets)));
const readFlags = reader("flow.TCPFlags");

const PORTS = { source_port: true, destination_port: true };
const NUMBERS = { type: true, code: true };
const SERVICE = { name: texts.take, namespace: texts.take };

const readFlow = reader("flow.Flow", {
  time: true,
  verdict: true,
  drop_reason_desc: true,
  IP: { source: texts.take, destination: texts.take },
  l4: {
    TCP: { ...PORTS, flags: flags.take },
    UDP: PORTS,
    SCTP: PORTS,
    ICMPv4: NUMBERS,
    ICMPv6: NUMBERS,
    VRRP: { type: true },
    IGMP: { type: true },
  },
  source: ends.take,
  destination: ends.take,
  node_name: texts.take,
  source_names: texts.take,
  destination_names: texts.take,
  source_service: SERVICE,
  destination_service: SERVICE,
  l7: {
    type: true,
    dns: { query: true, rcode: true },
    http: { code: true, method: true, url: true },
  },
  event_type: true,
  is_reply: true,
  Summary: texts.take,
});

const readAll = reader("flow.Flow");

/** All fields of the flow in some octets. @param {Uint8Array} octets */
export function wholeFlow(octets) {
  return readAll(octets);
}

/** A row that says nothing yet. @returns {Row} */
export function blankRow() {
  return {
    sequence: 0,
    ms: 0.5,
    verdict: 0,
    source: NOBODY,
    destination: NOBODY,
    sourceIp: "",
    destinationIp: "",
    sourceName: "",
    destinationName: "",
    protocol: "",
    sourcePort: 0,
    destinationPort: 0,
    flags: "",
    summary: "",
    eventType: 0,
    subType: 0,
    type: "",
    reason: "",
    node: "",
    reply: undefined,
    place: 0,
    length: 0,
  };
}

/**
 * Have a row say what the flow says that stands between two places of some octets.
 * @param {Row} row @param {Uint8Array} octets @param {number} start @param {number} end
 */
export function fillRow(row, octets, start, end) {
  const flow = readFlow(octets, start, end);
  row.ms = milliseconds(flow.time);
  row.verdict = flow.verdict ?? 0;
  row.source = flow.source ?? NOBODY;
  row.destination = flow.destination ?? NOBODY;
  row.sourceIp = flow.IP?.source ?? "";
  row.destinationIp = flow.IP?.destination ?? "";
  row.sourceName = nameOf(flow.source_service, flow.source_names);
  row.destinationName = nameOf(flow.destination_service, flow.destination_names);
  fillLayer4(row, flow.l4 ?? {});
  row.summary = summaryOf(flow, row.protocol);
  row.eventType = flow.event_type?.type ?? 0;
  row.subType = flow.event_type?.sub_type ?? 0;
  row.type = typeName(row.eventType, row.subType);
  row.reason = row.eventType === DROP ? dropReason(flow.drop_reason_desc) : "";
  row.node = flow.node_name ?? "";
  row.reply = flow.is_reply && (flow.is_reply.value ?? false);
}

function fillLayer4(row, l4) {
  const ports = l4.TCP ?? l4.UDP ?? l4.SCTP;
  row.protocol = Object.keys(l4)[0] ?? "";
  row.sourcePort = ports?.source_port ?? 0;
  row.destinationPort = ports?.destination_port ?? 0;
  row.flags = l4.TCP?.flags ?? "";
}

function flagNames(found) {
  return FLAGS.filter((name) => found[name]).join(" ");
}

function nameOf(service, names) {
  if (service?.name) return `${service.namespace}/${service.name}`;
  return names?.[0] ?? "";
}

/** What a flow is about beyond its protocol: a request, a name, a message of ICMP. */
function summaryOf(flow, protocol) {
  const { http, dns } = flow.l7 ?? {};
  if (http)
    return http.code
      ? `HTTP ${http.code} ${http.method} ${http.url}`
      : `HTTP ${http.method} ${http.url}`;
  if (dns) return `DNS ${dns.query}`;
  if (flow.event_type?.type === L7) return flow.Summary ?? "";
  return protocol === "TCP" ? "" : (flow.Summary ?? "").replace(protocol, "").trim();
}

/** @returns {End} */
function endOf(endpoint) {
  const workload = endpoint.workloads?.[0];
  return {
    identity: endpoint.identity ?? 0,
    namespace: endpoint.namespace ?? "",
    pod: endpoint.pod_name ?? "",
    labels: endpoint.labels ?? [],
    workload: workload?.name ?? "",
    kind: workload?.kind ?? "",
  };
}

/** @param {number} verdict */
export function verdictName(verdict) {
  return enumName("flow.Verdict", verdict).replace("VERDICT_", "");
}
