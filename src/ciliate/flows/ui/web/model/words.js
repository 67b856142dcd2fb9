/**
 * The words of a filter, as they stand in the address bar and in the box: `pod=default/web`,
 * `not-port=53`. They are those of `hubble observe`. Pure.
 */

import { EVENT_TYPES, VERDICTS } from "./names.js";
import {
  PROTOCOLS,
  WordError,
  filled,
  readAddress,
  readConnection,
  readDirection,
  readFlags,
  readIdentity,
  readNamespace,
  readPort,
  readProtocol,
  readReason,
  readType,
  readVerdict,
  readVersion,
  readWorkload,
} from "./word_values.js";

/** @typedef {{name: string, value: string, not: boolean}} Word */

/**
 * @typedef {object} Meaning
 * @property {string} about for who completes it
 * @property {string} [field] of FlowFilter
 * @property {[string, string]} [sides] fields for source and destination
 * @property {(text: string) => any} read what stands in the field; throws a WordError
 */

/** @type {Record<string, Meaning>} */
const NEUTRAL = {
  protocol: { about: PROTOCOLS.slice(0, 6).join(", "), field: "protocol", read: readProtocol },
  verdict: { about: "forwarded, dropped, …", field: "verdict", read: readVerdict },
  type: { about: "drop, trace:to-endpoint, trace-sock, …", field: "event_type", read: readType },
  "drop-reason": { about: "POLICY_DENIED, …", field: "drop_reason_desc", read: readReason },
  "tcp-flags": { about: "SYN or SYN,ACK", field: "tcp_flags", read: readFlags },
  direction: { about: "ingress or egress", field: "traffic_direction", read: readDirection },
  "ip-version": { about: "4 or 6", field: "ip_version", read: readVersion },
  node: { about: "k8s-w1, k8s-*", field: "node_name", read: filled },
  "snat-ip": { about: "the address it left with", field: "source_ip_xlated", read: filled },
  "http-status": { about: "404, 5+", field: "http_status_code", read: filled },
  "http-method": { about: "GET", field: "http_method", read: filled },
  "http-path": { about: "a regular expression", field: "http_path", read: filled },
  uuid: { about: "one flow", field: "uuid", read: filled },
};

const SIDED = {
  pod: { about: "NAMESPACE/NAME, or how a name begins", read: filled },
  label: { about: "app=web, or a selector", read: filled },
  ip: { about: "an address or a prefix", read: readAddress },
  port: { about: "80", read: readPort },
  identity: { about: "a number, or host, world, …", read: readIdentity },
  workload: { about: "Deployment/web or web", read: readWorkload },
  service: { about: "NAMESPACE/NAME", read: filled },
  fqdn: { about: "*.example.com", read: filled },
};

/** Name of a word -> what it means. @type {Record<string, Meaning>} */
export const WORDS = {
  ...sided("pod"),
  ...sided("namespace", "pod", { about: "a namespace", read: readNamespace }),
  ...sided("label"),
  ...sided("ip"),
  ...sided("port"),
  protocol: NEUTRAL.protocol,
  verdict: NEUTRAL.verdict,
  ...sided("identity"),
  ...sided("workload"),
  ...NEUTRAL,
  ...sided("service"),
  ...sided("fqdn"),
  connection: { about: "one connection, both ways", read: readConnection },
};

/** `pod`, `from-pod` and `to-pod`. */
function sided(name, field = name, meaning = SIDED[name]) {
  const [source, destination] = [`source_${field}`, `destination_${field}`];
  return {
    [name]: { ...meaning, sides: [source, destination] },
    [`from-${name}`]: { ...meaning, field: source },
    [`to-${name}`]: { ...meaning, field: destination },
  };
}

/** The word that a text is: `not pod=web`, `!pod=web`. @param {string} text @returns {Word} */
export function parseWord(text) {
  const trimmed = text.trim();
  const bare = trimmed.replace(/^(not[ -]|!|-)\s*/i, "");
  const equals = bare.indexOf("=");
  if (equals < 0)
    throw new WordError(
      `"${trimmed}"`,
      "is no filter: write NAME=VALUE, such as pod=web or port=80",
    );
  const word = {
    name: bare.slice(0, equals).trim().toLowerCase(),
    value: bare.slice(equals + 1).trim(),
    not: bare !== trimmed,
  };
  checkWord(word);
  return word;
}

/** @param {Word} word */
export function checkWord(word) {
  const meaning = WORDS[word.name];
  if (!Object.hasOwn(WORDS, word.name))
    throw new WordError(word.name, `there is no such filter${nearest(word.name)}`);
  for (const value of valuesOf(word)) meaning.read(value);
}

/** @param {Word} word */
export function wordText(word) {
  return `${word.not ? "not " : ""}${word.name}=${word.value}`;
}

/** The values of a word: `port=80,443` has two. @param {Word} word @returns {string[]} */
export function valuesOf(word) {
  const whole = /^(?:(?:from-|to-)?label|tcp-flags|http-path|connection)$/.test(word.name);
  return whole ? [word.value] : word.value.split(",").map((each) => each.trim());
}

/** A word that a text without `=` may mean, likeliest first. @param {string} text @returns {Word[]} */
export function guessWords(text) {
  const word = (name, value = text) => ({ name, value, not: false });
  const upper = text.toUpperCase();
  const lower = text.toLowerCase();
  if (/^\d{1,5}$/.test(text)) return [word("port"), word("identity")];
  if (/^[\da-f:.]+(\/\d+)?$/i.test(text) && /[.:]/.test(text)) return [word("ip")];
  const found = [];
  if (Object.keys(VERDICTS).includes(upper)) found.push(word("verdict", lower));
  if (PROTOCOLS.includes(lower)) found.push(word("protocol", lower));
  if (lower in EVENT_TYPES) found.push(word("type", lower));
  return [...found, word("pod"), word("workload")];
}

function nearest(name) {
  const near = Object.keys(WORDS).find(
    (each) => each.startsWith(name) || (name && each.includes(name)),
  );
  return near ? `: did you mean ${near}=?` : ": the box completes those there are";
}
