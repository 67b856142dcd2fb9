/** Writes plain objects as protobuf's octets, by the tables of messages.js. */

import { MESSAGES } from "./messages.js";
import { FIXED64, LENGTH, tableOf, VARINT } from "./wire.js";

const utf8 = new TextEncoder();

/**
 * Return the octets of a message.
 * @param {string} type
 * @param {Record<string, any>} message
 * @returns {Uint8Array}
 */
export function write(type, message) {
  /** @type {number[]} */
  const out = [];
  for (const [number, [name, kind, several]] of Object.entries(tableOf(type))) {
    const value = message[name];
    if (value === undefined || value === null) continue;
    for (const each of several ? value : [value]) writeField(out, Number(number), kind, each);
  }
  return Uint8Array.from(out);
}

function writeField(out, number, kind, value) {
  if (kind === "string") {
    writeOctets(out, number, utf8.encode(value));
  } else if (kind === "bytes") {
    writeOctets(out, number, value);
  } else if (MESSAGES[kind]) {
    writeOctets(out, number, write(kind, value));
  } else if (kind === "double") {
    writeVarint(out, number * 8 + FIXED64);
    out.push(...new Uint8Array(Float64Array.of(value).buffer));
  } else {
    writeVarint(out, number * 8 + VARINT);
    writeVarint(out, value);
  }
}

function writeOctets(out, number, octets) {
  writeVarint(out, number * 8 + LENGTH);
  writeVarint(out, octets.length);
  for (const octet of octets) out.push(octet);
}

/** @param {number[]} out @param {number | bigint | boolean} value */
function writeVarint(out, value) {
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest >= 0x80n) {
    out.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  out.push(Number(rest));
}
