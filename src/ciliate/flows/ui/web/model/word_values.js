/** The values of a filter's words as the API has them; a value that cannot be used is told. Pure. */

import { enumNumber } from "../flow_api/enums.js";
import { EVENT_TYPES, RESERVED, subTypeNumber, VERDICTS } from "./names.js";

/** A word cannot be used: says which, why, and what could. */
export class WordError extends Error {
  /** @param {string} word @param {string} problem */
  constructor(word, problem) {
    super(`${word}: ${problem}`);
  }
}

export const PROTOCOLS = [
  "tcp",
  "udp",
  "icmp",
  "icmpv4",
  "icmpv6",
  "sctp",
  "http",
  "dns",
  "kafka",
  "vrrp",
  "igmp",
];
const FLAGS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "NS"];

export function filled(text) {
  if (!text) throw new WordError("a filter", "has no value: write it behind the =");
  return text;
}

export function readNamespace(text) {
  return `${filled(text).replace(/\/$/, "")}/`;
}

export function readPort(text) {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65535) {
    throw new WordError(`port=${text}`, "is no port: write a number from 0 to 65535");
  }
  return String(Number(text));
}

export function readAddress(text) {
  if (!/^[\da-f:.]+(\/\d{1,3})?$/i.test(text)) {
    throw new WordError(`ip=${text}`, "is no address: write 10.0.0.1, fd00::1 or 10.0.0.0/8");
  }
  return text;
}

export function readIdentity(text) {
  const reserved = RESERVED.indexOf(text.toLowerCase());
  if (reserved > 0) return reserved;
  if (!/^\d{1,10}$/.test(text) || Number(text) > 0xffffffff) {
    throw new WordError(
      `identity=${text}`,
      `is none: write a number, or ${RESERVED.slice(1).join(", ")}`,
    );
  }
  return Number(text);
}

export function readProtocol(text) {
  return oneOf("protocol", text, PROTOCOLS);
}

export function readVerdict(text) {
  return VERDICTS[oneOf("verdict", text, Object.keys(VERDICTS))];
}

export function readDirection(text) {
  return ["ingress", "egress"].indexOf(oneOf("direction", text, ["ingress", "egress"])) + 1;
}

export function readVersion(text) {
  return oneOf("ip-version", text.replace(/^(ip)?v/i, ""), ["4", "6"]) === "4" ? 1 : 2;
}

export function readReason(text) {
  const name = text.toUpperCase().replaceAll(/[ -]/g, "_");
  const number = enumNumber("flow.DropReason", name);
  if (number === undefined)
    throw new WordError(`drop-reason=${text}`, "is none: such as POLICY_DENIED");
  return number;
}

export function readFlags(text) {
  const names = text.toUpperCase().split(/[,+ ]+/);
  for (const name of names) oneOf("tcp-flags", name, FLAGS);
  return Object.fromEntries(names.map((name) => [name, true]));
}

export function readType(text) {
  const [name, sub] = text.toLowerCase().split(":");
  const type = /^\d+$/.test(name)
    ? Number(name)
    : EVENT_TYPES[oneOf("type", name, Object.keys(EVENT_TYPES))];
  if (sub === undefined) return { type };
  const sub_type = subTypeNumber(type, sub);
  if (sub_type === undefined) throw new WordError(`type=${text}`, `${name} has no ${sub}`);
  return { type, match_sub_type: true, sub_type };
}

export function readWorkload(text) {
  const [first, second] = filled(text).split("/");
  return second === undefined ? { name: first } : { kind: first, name: second };
}

/** `tcp:10.0.0.1:40000-10.0.0.2:80` -> its two ends. */
export function readConnection(text) {
  const found = /^(tcp|udp|sctp):(.+):(\d{1,5})-(.+):(\d{1,5})$/.exec(text);
  if (!found)
    throw new WordError(`connection=${text}`, "is none: write tcp:10.0.0.1:40000-10.0.0.2:80");
  const bare = (address) => readAddress(address.replace(/^\[|\]$/g, ""));
  const [, protocol, ip, port, otherIp, otherPort] = found;
  return {
    protocol,
    ends: [
      { ip: bare(ip), port: readPort(port) },
      { ip: bare(otherIp), port: readPort(otherPort) },
    ],
  };
}

function oneOf(name, text, choices) {
  const found = choices.find((each) => each.toLowerCase() === text.toLowerCase());
  if (found === undefined)
    throw new WordError(`${name}=${text}`, `is none of ${choices.join(", ").toLowerCase()}`);
  return found;
}
