/** Outlines of icons that the page has none for, in a square of 16; and texts that fit their place. */

import { visible } from "../model/text.js";

export const PLAY = "M5 3.2v9.6L12.6 8z";
export const PAUSE = "M5.2 3.5v9M10.8 3.5v9";
export const BACK = "M10.5 3.5 6 8l4.5 4.5";
export const FORTH = "M5.5 3.5 10 8l-4.5 4.5";
export const AGAIN = "M13 8a5 5 0 1 1-1.6-3.7M13 2.5v2.8h-2.8";
export const ROUTER = "M8 2.2v4M8 9.8v4M2.2 8h4M9.8 8h4M6.4 3.8 8 2.2l1.6 1.6M6.4 12.2 8 13.8l1.6-1.6M3.8 6.4 2.2 8l1.6 1.6M12.2 6.4 13.8 8l-1.6 1.6";
export const SWITCH = "M2 5.5h10M9.5 3 12 5.5 9.5 8M14 10.5H4M6.5 8 4 10.5 6.5 13";
export const SERVER = "M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.6M5 11h.6";
export const NOBODY = "M8 2.2 13.2 5.1v5.8L8 13.8 2.8 10.9V5.1zM5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4";

/** With its middle left out, since names of one workload differ at the end. @param {string} text @param {number} length */
export function fitted(text, length) {
  const whole = visible(text);
  if (whole.length <= length) return whole;
  const tail = Math.ceil((length - 1) * 0.45);
  return `${whole.slice(0, length - 1 - tail)}…${whole.slice(-tail)}`;
}

/** "default/curl-pod" -> ["default", "curl-pod"] @param {string} name */
export function parted(name) {
  const slash = name.indexOf("/");
  return slash < 0 ? ["", name] : [name.slice(0, slash), name.slice(slash + 1)];
}
