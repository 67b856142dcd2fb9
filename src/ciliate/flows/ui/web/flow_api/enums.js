/** Names and numbers of the API's enums. */

import { ENUMS } from "./messages.js";

/** The name of an enum's value; of one that nobody knows its number.
 * @param {string} type @param {number | undefined} value @returns {string} */
export function enumName(type, value = 0) {
  return ENUMS[type]?.[value] ?? String(value);
}

/** The number of an enum's name, or undefined.
 * @param {string} type @param {string} name @returns {number | undefined} */
export function enumNumber(type, name) {
  const found = Object.entries(ENUMS[type]).find((entry) => entry[1] === name);
  return found && Number(found[0]);
}
