/**
 * Reads protobuf's octets into plain objects, by the tables of messages.js.
 *
 * An object has only the fields that the octets have: an absent one is undefined. Enums are numbers,
 * numbers of 64 bits that a double cannot hold are BigInts. A `Shape` names what is wanted of a
 * message: `true` is all of it, an object some fields, a function takes a field's octets itself.
 */

import { MESSAGES } from "./messages.js";

/** @typedef {true | Take | {[field: string]: Shape}} Shape */
/** @typedef {(octets: Uint8Array, start: number, end: number) => unknown} Take */

/** The octets are no message, or end within one. */
export class WireError extends Error {}

export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH = 2;
const FIXED32 = 5;
/** As deep as no message of the API nests. */
const DEPTH_MAX = 24;

const utf8 = new TextDecoder();

/**
 * Return a function that reads messages of a type.
 * @param {string} type "flow.Flow"
 * @param {Shape} shape what is wanted of it
 * @returns {(octets: Uint8Array, start?: number, end?: number) => any}
 */
export function reader(type, shape = true) {
  const plan = planOf(type, shape, 0);
  return (octets, start = 0, end = octets.length) =>
    readMessage(new Cursor(octets, start, end), plan);
}

/** @param {string} type */
export function tableOf(type) {
  const table = MESSAGES[type];
  if (!table) throw new TypeError(`messages.js has no ${type}`);
  return table;
}

/** Number of a field -> what to do with it; a field that is not wanted is not there. */
function planOf(type, shape, depth) {
  const plan = new Map();
  for (const [number, [name, kind, several]] of Object.entries(tableOf(type))) {
    const wanted = shape === true ? true : shape[name];
    if (wanted === undefined) continue;
    const field = { name, kind, several: several ?? false, take: null, plan: null };
    if (typeof wanted === "function") field.take = wanted;
    else if (MESSAGES[kind] && depth < DEPTH_MAX) field.plan = planOf(kind, wanted, depth + 1);
    plan.set(Number(number), field);
  }
  return plan;
}

/** A place in octets that are read. */
class Cursor {
  constructor(octets, start, end) {
    this.octets = octets;
    this.at = start;
    this.end = end;
  }

  /** The next varint as a double: exact up to 2^53, which lengths, keys and small numbers are. */
  varint() {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count++) {
      if (this.at >= this.end) break;
      const octet = this.octets[this.at++];
      value += (octet & 0x7f) * scale;
      if (octet < 0x80) return value;
      scale *= 128;
    }
    throw new WireError("a number does not end");
  }

  /** The next varint, exact. @returns {number | bigint} */
  varint64(signed) {
    const from = this.at;
    const value = this.varint();
    if (value <= Number.MAX_SAFE_INTEGER) return value;
    let exact = 0n;
    for (let at = this.at - 1; at >= from; at--)
      exact = (exact << 7n) | BigInt(this.octets[at] & 0x7f);
    exact = signed ? BigInt.asIntN(64, exact) : BigInt.asUintN(64, exact);
    return exact >= BigInt(Number.MIN_SAFE_INTEGER) && exact <= BigInt(Number.MAX_SAFE_INTEGER)
      ? Number(exact)
      : exact;
  }

  /** Where the next so many octets begin; the cursor goes behind them. */
  pass(length) {
    const from = this.at;
    if (length > this.end - from) throw new WireError("a field is longer than its message");
    this.at = from + length;
    return from;
  }

  skip(wire) {
    if (wire === VARINT) this.varint();
    else if (wire === LENGTH) this.pass(this.varint());
    else if (wire === FIXED64) this.pass(8);
    else if (wire === FIXED32) this.pass(4);
    else throw new WireError(`a field has the wire type ${wire}`);
  }
}

function readMessage(cursor, plan) {
  const message = {};
  while (cursor.at < cursor.end) {
    const key = cursor.varint();
    const field = plan.get(Math.floor(key / 8));
    const wire = key & 7;
    if (field === undefined) {
      cursor.skip(wire);
    } else if (!field.several) {
      message[field.name] = readValue(cursor, wire, field);
    } else {
      message[field.name] ??= [];
      const list = message[field.name];
      if (wire === LENGTH && isNumber(field.kind)) readPacked(cursor, field, list);
      else list.push(readValue(cursor, wire, field));
    }
  }
  return message;
}

function isNumber(kind) {
  return kind !== "string" && kind !== "bytes" && MESSAGES[kind] === undefined;
}

function readPacked(cursor, field, list) {
  const end = cursor.pass(cursor.varint());
  const inner = new Cursor(cursor.octets, end, cursor.at);
  const wire = field.kind === "double" ? FIXED64 : VARINT;
  while (inner.at < inner.end) list.push(readValue(inner, wire, field));
}

function readValue(cursor, wire, field) {
  const expected = isNumber(field.kind) ? (field.kind === "double" ? FIXED64 : VARINT) : LENGTH;
  if (wire !== expected) throw new WireError(`${field.name} has the wire type ${wire}`);
  if (wire === VARINT) {
    if (field.kind === "bool") return cursor.varint() !== 0;
    if (field.kind === "int64" || field.kind === "int32") return cursor.varint64(true);
    return field.kind === "uint64" ? cursor.varint64(false) : cursor.varint();
  }
  if (wire === FIXED64) {
    const from = cursor.pass(8);
    return new DataView(cursor.octets.buffer, cursor.octets.byteOffset + from, 8).getFloat64(
      0,
      true,
    );
  }
  const start = cursor.pass(cursor.varint());
  const end = cursor.at;
  if (field.take !== null) return field.take(cursor.octets, start, end);
  if (field.plan !== null) return readMessage(new Cursor(cursor.octets, start, end), field.plan);
  const octets = cursor.octets.subarray(start, end);
  return field.kind === "string" ? utf8.decode(octets) : octets;
}
