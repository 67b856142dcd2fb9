/** Frames of gRPC-Web: an octet of flags, four of a length, so many of a message. Pure. */

import { CallError, UNAVAILABLE } from "./call_error.js";

const HEAD_OCTETS = 5;
/** gRPC's own bound of a message is 4 MiB. */
const FRAME_MAX = 8 * 1024 * 1024;
const ROOM = 128 * 1024;

/** @param {Uint8Array} message */
export function frame(message) {
  const octets = new Uint8Array(HEAD_OCTETS + message.length);
  new DataView(octets.buffer).setUint32(1, message.length);
  octets.set(message, HEAD_OCTETS);
  return octets;
}

/** Octets that came, and the frames in them. A frame's octets are good until more come. */
export class Frames {
  constructor() {
    this.octets = new Uint8Array(2 * ROOM);
    this.start = 0;
    this.end = 0;
  }

  /** Where the next octets go; it is given away, and comes back by `filled`. @returns {Uint8Array} */
  room() {
    this.makeRoom(ROOM);
    return this.octets.subarray(this.end);
  }

  /** @param {Uint8Array} octets what of the room was filled: the memory is the same, under a new name */
  filled(octets) {
    this.octets = new Uint8Array(octets.buffer);
    this.end += octets.length;
  }

  /** @param {Uint8Array} chunk */
  add(chunk) {
    this.makeRoom(chunk.length);
    this.octets.set(chunk, this.end);
    this.end += chunk.length;
  }

  /** The next whole frame, or null. @returns {{flags: number, octets: Uint8Array} | null} */
  take() {
    if (this.end - this.start < HEAD_OCTETS) return null;
    const length = new DataView(this.octets.buffer).getUint32(this.start + 1);
    if (length > FRAME_MAX) throw new CallError(UNAVAILABLE, `a message has ${length} octets`);
    const begin = this.start + HEAD_OCTETS;
    const end = begin + length;
    if (end > this.end) return null;
    const flags = this.octets[this.start];
    this.start = end;
    return { flags, octets: this.octets.subarray(begin, end) };
  }

  makeRoom(size) {
    if (this.octets.length - this.end >= size) return;
    const held = this.end - this.start;
    if (held + size > this.octets.length) {
      const larger = new Uint8Array(2 * (held + size));
      larger.set(this.octets.subarray(this.start, this.end));
      this.octets = larger;
    } else {
      this.octets.copyWithin(0, this.start, this.end);
    }
    this.start = 0;
    this.end = held;
  }
}
