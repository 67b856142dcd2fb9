/** The words that `hubble observe` has for numbers in flows. Pure. */

import { enumName } from "../flow_api/enums.js";

export const DROP = 1,
  CAPTURE = 3,
  TRACE = 4,
  POLICY_VERDICT = 5,
  TRACE_SOCK = 7,
  L7 = 129;

export const EVENT_TYPES = {
  drop: DROP,
  capture: CAPTURE,
  trace: TRACE,
  "policy-verdict": POLICY_VERDICT,
  "trace-sock": TRACE_SOCK,
  l7: L7,
};

/** Numbers of a trace's sub-type, as events have them. */
export const TRACE_POINTS = [
  "to-endpoint",
  "to-proxy",
  "to-host",
  "to-stack",
  "to-overlay",
  "from-endpoint",
  "from-proxy",
  "from-host",
  "from-stack",
  "from-overlay",
  "from-network",
  "to-network",
  "from-crypto",
  "to-crypto",
];

const SOCKET_POINTS = [
  "unknown",
  "pre-xlate-fwd",
  "post-xlate-fwd",
  "pre-xlate-rev",
  "post-xlate-rev",
];
export const POST_XLATE_FWD = 2;

/** Identities that are the same in every cluster. */
export const RESERVED = [
  "unknown",
  "host",
  "world",
  "unmanaged",
  "health",
  "init",
  "remote-node",
  "kube-apiserver",
  "ingress",
  "world-ipv4",
  "world-ipv6",
];
const WORLDS = new Set([2, 9, 10]);

export const VERDICTS = {
  FORWARDED: 1,
  DROPPED: 2,
  ERROR: 3,
  AUDIT: 4,
  REDIRECTED: 5,
  TRACED: 6,
  TRANSLATED: 7,
};

/** @param {number} identity */
export function isWorld(identity) {
  return WORLDS.has(identity);
}

/** What told of a flow: "to-endpoint", "pre-xlate-fwd", "drop". */
export function typeName(type, subType) {
  if (type === TRACE) return TRACE_POINTS[subType] ?? `trace:${subType}`;
  if (type === TRACE_SOCK) return SOCKET_POINTS[subType] ?? `trace-sock:${subType}`;
  const found = Object.entries(EVENT_TYPES).find((entry) => entry[1] === type);
  return found?.[0] ?? String(type);
}

/** The word of a filter for what told of a flow: "trace:to-endpoint". */
export function typeWord(type, subType) {
  if (type === TRACE) return `trace:${TRACE_POINTS[subType] ?? subType}`;
  if (type === TRACE_SOCK) return `trace-sock:${SOCKET_POINTS[subType] ?? subType}`;
  return typeName(type, subType);
}

/** The number behind "to-endpoint" of a type, or undefined. */
export function subTypeNumber(type, name) {
  if (/^\d+$/.test(name)) return Number(name);
  const names = type === TRACE ? TRACE_POINTS : type === TRACE_SOCK ? SOCKET_POINTS : [];
  const found = names.indexOf(name);
  return found < 0 ? undefined : found;
}

/** "Policy denied" for POLICY_DENIED. @param {number | undefined} reason */
export function dropReason(reason) {
  if (!reason) return "";
  const words = enumName("flow.DropReason", reason).replaceAll("_", " ").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
