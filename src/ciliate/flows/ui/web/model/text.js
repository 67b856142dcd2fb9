/**
 * Texts of others: a pod, a name of DNS or a URL may carry anything. Pure.
 *
 * What a browser would obey in plain text, controls and marks that turn the direction of writing, and
 * what it would not show at all, becomes visible. Elements get texts by `textContent` alone.
 */

/** The set of flows/harmless.py, and marks without width, by which two names look the same. */
const UNSAFE =
  /[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const SHORT = { "\x1b": "^[", "\r": "\\r", "\n": "\\n", "\t": "\\t" };
const LENGTH_MAX = 2000;

/** @param {unknown} text @returns {string} */
export function visible(text) {
  const whole = String(text);
  const cut = whole.length > LENGTH_MAX ? `${whole.slice(0, LENGTH_MAX)}…` : whole;
  return cut.replace(UNSAFE, (found) => {
    const code = found.charCodeAt(0);
    return SHORT[found] ?? (code < 256 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`);
  });
}

function hex(code, width) {
  return code.toString(16).padStart(width, "0");
}

/** 12345 -> "12,345" @param {number} number */
export function grouped(number) {
  return Math.round(number).toLocaleString("en-US");
}

/** A rate in few places: 0.4, 12, 5.0k. @param {number} rate */
export function shortRate(rate) {
  if (rate < 0.05) return "0";
  if (rate < 9.95) return rate.toFixed(1);
  if (rate < 9950) return grouped(rate);
  return `${(rate / 1000).toFixed(1)}k`;
}

/** "1 node", "2 nodes" @param {number} count @param {string} noun @param {string} [plural] */
export function counted(count, noun, plural = `${noun}s`) {
  return `${grouped(count)} ${count === 1 ? noun : plural}`;
}
