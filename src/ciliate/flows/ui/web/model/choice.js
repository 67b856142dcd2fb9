/**
 * All that is chosen on the page, as its address says it: a copied address shows the same. Pure.
 *
 * `?namespace=shop&pod=shop/cart&not-port=53&hide=host,world`; `namespace=*` is all of them.
 */

import { SPECIALS } from "./cards.js";
import { WordError } from "./word_values.js";
import { checkWord } from "./words.js";

/**
 * @typedef {object} Choice
 * @property {string} view
 * @property {boolean} isAll whether all namespaces are chosen
 * @property {string[]} namespaces
 * @property {import("./words.js").Word[]} words
 * @property {string[]} hidden names of SPECIALS
 * @property {Record<string, string>} own what another view has of its own
 */

export const FLOWS = "flows";
const WORDS_MAX = 32;
const NAMESPACES_MAX = 32;
const OWN_LENGTH_MAX = 300;
/** Keys of another view: of the lab, whose connection is shown, and how far. */
const OWN = ["from", "to", "over", "way", "step"];

/** @returns {Choice} */
export function noChoice() {
  return { view: FLOWS, isAll: false, namespaces: [], words: [], hidden: [], own: {} };
}

/** Whether there is anything to show. @param {Choice} choice */
export function isChosen(choice) {
  return choice.isAll || choice.namespaces.length > 0;
}

/**
 * @param {string} query
 * @returns {{choice: Choice, problems: string[]}} what cannot be used is told, and left out
 */
export function readChoice(query) {
  const choice = noChoice();
  const problems = [];
  for (const [key, value] of new URLSearchParams(query)) {
    try {
      readPart(choice, key, value);
    } catch (error) {
      if (!(error instanceof WordError)) throw error;
      problems.push(error.message);
    }
  }
  return { choice, problems };
}

function readPart(choice, key, value) {
  if (key === "view") {
    choice.view = value;
  } else if (key === "namespace" && value === "*") {
    choice.isAll = true;
  } else if (key === "namespace") {
    const named = value.split(",").filter((name) => name && !choice.namespaces.includes(name));
    choice.namespaces = [...choice.namespaces, ...named].slice(0, NAMESPACES_MAX);
  } else if (key === "hide") {
    choice.hidden = value.split(",").filter((name) => Object.hasOwn(SPECIALS, name));
  } else if (OWN.includes(key)) {
    choice.own[key] = value.slice(0, OWN_LENGTH_MAX);
  } else if (choice.words.length >= WORDS_MAX) {
    throw new WordError(key, `is one filter too many: ${WORDS_MAX} are used`);
  } else {
    const not = key.startsWith("not-");
    const word = { name: not ? key.slice(4) : key, value, not };
    checkWord(word);
    choice.words.push(word);
  }
}

/** The query of an address, "" or "?…". @param {Choice} choice */
export function writeChoice(choice) {
  const parts = [];
  if (choice.view !== FLOWS)
    parts.push(
      ["view", choice.view],
      ...OWN.map((key) => [key, choice.own[key]]).filter(([, value]) => value),
    );
  if (choice.isAll) parts.push(["namespace", "*"]);
  else if (choice.namespaces.length) parts.push(["namespace", choice.namespaces.join(",")]);
  for (const word of choice.words)
    parts.push([word.not ? `not-${word.name}` : word.name, word.value]);
  if (choice.hidden.length) parts.push(["hide", choice.hidden.join(",")]);
  return parts.length
    ? `?${parts.map(([key, value]) => `${key}=${readable(value)}`).join("&")}`
    : "";
}

/** Quoted where an address needs it, and only there. */
function readable(value) {
  return encodeURIComponent(value).replace(/%(2F|3A|2C|3D|40|5B|5D)/gi, decodeURIComponent);
}

/** With a word, which takes the place of the same one turned round. */
export function withWord(choice, word) {
  const others = choice.words.filter(
    (each) => each.name !== word.name || each.value !== word.value,
  );
  return { ...choice, words: [...others, word] };
}

export function withoutWord(choice, word) {
  return { ...choice, words: choice.words.filter((each) => each !== word) };
}
