/** The octets of the newest flows, one behind the other in memory that is used again. Pure. */

export class OctetStore {
  /** @param {number} size */
  constructor(size) {
    this.octets = new Uint8Array(size);
    /** Where the next ones go, counted from the beginning of time. */
    this.end = 0;
  }

  /** Keep some octets; return the place where they are. */
  put(octets, start, end) {
    const length = end - start;
    const size = this.octets.length;
    if (length > size) return -1;
    const left = size - (this.end % size);
    if (left < length) this.end += left; // Octets of one flow lie together.
    const place = this.end;
    this.octets.set(octets.subarray(start, end), place % size);
    this.end += length;
    return place;
  }

  /** The octets of a place, or null when others took it. @param {number} place @param {number} length */
  get(place, length) {
    if (place < 0 || place < this.end - this.octets.length) return null;
    const at = place % this.octets.length;
    return this.octets.subarray(at, at + length);
  }

  snapshot() {
    const copy = new OctetStore(0);
    copy.octets = this.octets.slice();
    copy.end = this.end;
    return copy;
  }
}
