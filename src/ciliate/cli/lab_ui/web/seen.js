/** Connections of which flows tell: who opened one, and whom it asks for. Pure. */

import { TRACE_SOCK } from "../model/names.js";
import { placeText } from "./addresses.js";

/**
 * @typedef {object} Seen
 * @property {string} pod who opened it, "namespace/name"
 * @property {string} destination "10.96.0.10:53"
 * @property {string} name of the destination: a Service, a pod, a name of DNS; empty: none
 * @property {string} protocol "tcp", "udp", "icmp"
 * @property {number} ms when it was seen last
 * @property {boolean} isDropped
 */

const PROTOCOLS = { TCP: "tcp", UDP: "udp", ICMPv4: "icmp", ICMPv6: "icmp" };
/** A socket asks for a Service; it is given a backend. */
const ASKED = "pre-xlate-fwd", GIVEN = "post-xlate-fwd";
const SEEN_MAX = 500, DROPPED = 2;

/**
 * The connections of some flows, each once, the newest first. To a backend that a socket was given
 * for a Service there is none of its own: the Service has it.
 * @param {Iterable<import("../model/flow.js").Row>} rows @returns {Seen[]}
 */
export function connectionsOf(rows) {
  const found = new Map(), given = new Set();
  for (const row of rows) {
    const seen = seenIn(row);
    if (!seen) continue;
    const key = `${seen.pod} ${seen.protocol} ${seen.destination}`;
    if (row.type === GIVEN) given.add(key);
    else if (found.size < SEEN_MAX || found.has(key)) found.set(key, newer(found.get(key), seen));
  }
  return [...found].filter(([key]) => !given.has(key)).map(([, seen]) => seen).sort((one, other) => other.ms - one.ms);
}

function newer(before, seen) {
  if (!before) return seen;
  const [newest, other] = before.ms > seen.ms ? [before, seen] : [seen, before];
  return { ...newest, name: newest.name || other.name };
}

/** @returns {Seen | null} */
function seenIn(row) {
  const protocol = PROTOCOLS[row.protocol];
  if (!protocol) return null;
  if (row.eventType === TRACE_SOCK && row.type !== ASKED && row.type !== GIVEN) return null;
  const isReply = row.reply === true;
  const [opener, other, ip, port, name] = isReply
    ? [row.destination, row.source, row.sourceIp, row.sourcePort, row.sourceName]
    : [row.source, row.destination, row.destinationIp, row.destinationPort, row.destinationName];
  if (!opener.pod || !ip) return null;
  return { pod: `${opener.namespace}/${opener.pod}`, destination: placeText(ip, protocol === "icmp" ? 0 : port), protocol, ms: row.ms,
    name: name ? serviceText(name) : other.pod ? `${other.namespace}/${other.pod}` : "", isDropped: row.verdict === DROPPED };
}

function serviceText(name) {
  return name.includes("/") ? `Service ${name}` : name;
}

/**
 * What to ask of a flow that somebody looks at, or null: no pod opened its connection.
 * @param {any} flow a flow.Flow @returns {{from: string, to: string, over: string, way: string} | null}
 */
export function questionOf(flow) {
  const [name, l4] = Object.entries(flow.l4 ?? {})[0] ?? [];
  const over = PROTOCOLS[name];
  if (!over || !flow.IP) return null;
  const isReply = flow.is_reply ? Boolean(flow.is_reply.value) : /-rev$/.test(socketPoint(flow));
  const opener = isReply ? flow.destination : flow.source;
  if (!opener?.pod_name) return null;
  const [ip, port, own] = isReply ? [flow.IP.source, l4.source_port, l4.destination_port]
    : [flow.IP.destination, l4.destination_port, l4.source_port];
  return { from: `${opener.namespace}/${opener.pod_name}`, to: placeText(ip, over === "icmp" ? 0 : port), over,
    way: own ? `port:${own}` : "" };
}

function socketPoint(flow) {
  const { type = 0, sub_type: about = 0 } = flow.event_type ?? {};
  return type === TRACE_SOCK && about > 2 ? "xlate-rev" : "";
}
