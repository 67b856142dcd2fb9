/**
 * What thousands of flows have in common is read once and shared: names, addresses, endpoints. Pure.
 *
 * Octets are looked up in a table of fixed size; a newcomer takes the place of who had it.
 */

export class Pool {
  /**
   * @param {number} places a power of two
   * @param {(octets: Uint8Array) => any} read makes what is shared
   */
  constructor(places, read) {
    this.mask = places - 1;
    this.read = read;
    /** @type {({octets: Uint8Array, value: any} | undefined)[]} */
    this.places = new Array(places);
    this.take = this.take.bind(this);
  }

  /** @param {Uint8Array} octets @param {number} start @param {number} end */
  take(octets, start, end) {
    let hash = 0x811c9dc5; // FNV-1a
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ octets[at], 0x01000193);
    const place = (hash ^ (hash >>> 15)) & this.mask;
    const held = this.places[place];
    if (held !== undefined && same(held.octets, octets, start, end)) return held.value;
    const copy = octets.slice(start, end);
    const value = this.read(copy);
    this.places[place] = { octets: copy, value };
    return value;
  }
}

function same(held, octets, start, end) {
  if (held.length !== end - start) return false;
  for (let at = 0; at < held.length; at++) if (held[at] !== octets[start + at]) return false;
  return true;
}
