/**
 * The newest rows, as many as there is room for. A row whose time is over is used again for a new one:
 * thousands a second would be as many to clear away. Pure.
 */

export class Ring {
  /** @param {number} capacity @param {() => any} make makes a row */
  constructor(capacity, make) {
    this.rows = new Array(capacity).fill(null);
    this.make = make;
    /** The row that is filled next: nobody else has it. */
    this.spare = make();
    /** How many there ever were. */
    this.total = 0;
  }

  get size() {
    return Math.min(this.total, this.rows.length);
  }

  /** Take the spare row in. */
  push() {
    const place = this.total % this.rows.length;
    const oldest = this.rows[place];
    this.rows[place] = this.spare;
    this.spare = oldest ?? this.make();
    this.total += 1;
  }

  /** The row so many places behind the newest, or null. @param {number} age */
  newest(age) {
    if (age < 0 || age >= this.size) return null;
    return this.rows[(this.total - 1 - age) % this.rows.length];
  }

  /** @param {number} age @param {number} count newest first */
  slice(age, count) {
    const found = [];
    for (let each = Math.max(age, 0); each < Math.min(age + count, this.size); each++) {
      found.push(this.newest(each));
    }
    return found;
  }

  /** What is there now, for somebody who reads: later rows change nothing in it. */
  snapshot() {
    const copy = new Ring(0, this.make);
    copy.rows = this.rows.map((row) => row && { ...row });
    copy.total = this.total;
    return copy;
  }
}
