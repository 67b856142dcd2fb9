/** Moments of flows: seconds and nanoseconds since 1970, as the API has them. Pure. */

/** @typedef {{seconds?: number | bigint, nanos?: number}} Timestamp */

/** @param {Timestamp | undefined} time @returns {number} */
export function milliseconds(time) {
  return Number(time?.seconds ?? 0) * 1000 + (time?.nanos ?? 0) / 1e6;
}

/** The time of day where the browser is: 17:26:45.997. @param {number} ms */
export function timeOfDay(ms) {
  const date = new Date(ms);
  const two = (value) => String(value).padStart(2, "0");
  const thousandths = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${thousandths}`;
}

/** RFC 3339 with nine digits, in UTC. @param {Timestamp | undefined} time */
export function exactTime(time) {
  const whole = new Date(Number(time?.seconds ?? 0) * 1000);
  if (Number.isNaN(whole.getTime())) return "";
  return `${whole.toISOString().slice(0, 19)}.${String(time?.nanos ?? 0).padStart(9, "0")}Z`;
}

/** 73000 -> "1m 13s" @param {number} ms */
export function span(ms) {
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${s % 60}s`;
  return s < 86400
    ? `${Math.floor(s / 3600)}h ${Math.floor((s % 3600) / 60)}m`
    : `${Math.floor(s / 86400)}d`;
}

const SECONDS = 6;

/**
 * How many a second there were in the last seconds, by the times of the flows themselves: what a
 * stream tells of earlier at its beginning counts for earlier.
 */
export class Rate {
  constructor() {
    this.counts = new Uint32Array(SECONDS);
    this.newest = 0;
  }

  /** @param {number} ms when @param {number} [count] */
  add(ms, count = 1) {
    const second = Math.floor(ms / 1000);
    this.advance(second);
    if (second > this.newest - SECONDS) this.counts[second % SECONDS] += count;
  }

  /** A second, over the whole seconds before `ms`. @param {number} ms */
  at(ms) {
    this.advance(Math.floor(ms / 1000));
    let sum = 0;
    for (let age = 1; age < SECONDS; age++)
      sum += this.counts[(this.newest - age + SECONDS) % SECONDS];
    return sum / (SECONDS - 1);
  }

  advance(second) {
    if (second <= this.newest) return;
    const steps = Math.min(second - this.newest, SECONDS);
    for (let step = 0; step < steps; step++) this.counts[(second - step) % SECONDS] = 0;
    this.newest = second;
  }
}

/** The cluster's clock, as flows tell it: a browser's may be minutes off. */
export class FlowClock {
  constructor() {
    this.ahead = -Infinity;
  }

  /** @param {number} flowMs @param {number} localMs */
  saw(flowMs, localMs) {
    this.ahead = Math.max(this.ahead, flowMs - localMs);
  }

  /** @param {number} localMs */
  now(localMs) {
    return Number.isFinite(this.ahead) ? localMs + this.ahead : localMs;
  }
}
