/**
 * What is chosen on the page as a request for flows: the API's filters are alternatives, of each of
 * which all fields have to match. Pure.
 */

import { SPECIALS } from "./cards.js";
import { WordError } from "./word_values.js";
import { valuesOf, WORDS } from "./words.js";

/** @typedef {import("./words.js").Word} Word */
/** @typedef {Record<string, any[]>} FlowFilter */

/**
 * The lists of a request.
 * @param {{namespaces: string[], words: Word[], hidden: string[]}} choice no namespace: all of them
 * @returns {{whitelist: FlowFilter[], blacklist: FlowFilter[]}}
 */
export function filtersOf({ namespaces, words, hidden }) {
  const wanted = words.filter((word) => !word.not);
  let alternatives = [{}];
  for (const each of [namespaceSides(namespaces), ...conditions(wanted, namespaces)]) {
    alternatives = product(alternatives, each);
  }
  if (alternatives.length === 0) {
    throw new WordError(
      wanted.map((word) => `${word.name}=${word.value}`).join(" "),
      "no flow can be all of this: take one away, or choose another namespace",
    );
  }
  const unwanted = words
    .filter((word) => word.not)
    .flatMap((word) => conditions([word], []))
    .flat();
  const blacklist = [...unwanted, ...hidden.flatMap(hiding)];
  const isAll = alternatives.some((each) => Object.keys(each).length === 0);
  return { whitelist: isAll ? [] : alternatives, blacklist };
}

/** Either end is of a namespace that is chosen. */
function namespaceSides(namespaces) {
  if (namespaces.length === 0) return [{}];
  const values = namespaces.map((name) => `${name}/`);
  return [{ source_pod: values }, { destination_pod: values }];
}

/** What words ask for: each condition is a list of alternatives. */
function conditions(words, namespaces) {
  const fields = {};
  const left = {};
  const right = {};
  const found = [];
  for (const word of words) {
    const meaning = WORDS[word.name];
    const values = valuesOf(word).flatMap((text) =>
      inNamespaces(word.name, meaning.read(text), namespaces),
    );
    if (meaning.sides) {
      // As for `hubble observe`: `ip=` and `port=` are of the same end.
      append(left, meaning.sides[0], values);
      append(right, meaning.sides[1], values);
    } else if (meaning.field) {
      append(fields, meaning.field, values);
    } else {
      found.push(values.flatMap(bothWays));
    }
  }
  if (Object.keys(left).length) found.push([left, right]);
  if (Object.keys(fields).length) found.push([fields]);
  return found;
}

function append(filter, field, values) {
  filter[field] = [...(filter[field] ?? []), ...values];
}

/** A pod's name without a namespace is one of those chosen: the API would look in `default`. */
function inNamespaces(name, value, namespaces) {
  if (!/^(from-|to-)?(pod|service)$/.test(name) || value.includes("/")) return [value];
  return namespaces.length ? namespaces.map((namespace) => `${namespace}/${value}`) : [`/${value}`];
}

function bothWays({ protocol, ends: [one, other] }) {
  const way = (from, to) => ({
    protocol: [protocol],
    source_ip: [from.ip],
    source_port: [from.port],
    destination_ip: [to.ip],
    destination_port: [to.port],
  });
  return [way(one, other), way(other, one)];
}

/** Filters for what is hidden. */
function hiding(name) {
  const special = SPECIALS[name];
  return special ? [{ source_label: special.labels }, { destination_label: special.labels }] : [];
}

/** Both hold: every alternative of one with every alternative of the other. */
function product(some, others) {
  const found = new Map();
  for (const one of some) {
    for (const other of others) {
      const both = join(one, other);
      if (both) found.set(JSON.stringify(both), both);
    }
  }
  return [...found.values()];
}

/** The filter for what passes both, or null if nothing does. */
function join(one, other) {
  const both = { ...one };
  for (const [field, values] of Object.entries(other)) {
    const met = field in both ? meet(field, both[field], values) : values;
    if (met.length === 0) return null;
    both[field] = met;
  }
  return both;
}

/** The values that both lists allow. */
function meet(field, some, others) {
  const within = field.endsWith("_pod") ? narrower : same;
  const met = some.flatMap((one) => others.flatMap((other) => within(one, other)));
  return [...new Set(met)];
}

function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other) ? [one] : [];
}

/** Patterns of pods are how `namespace/name` begins: of two that meet one begins as the other does. */
function narrower(one, other) {
  const [first, second] = [one.split("/"), other.split("/")];
  if (first[0] && second[0] && first[0] !== second[0]) return [];
  const namespace = first[0] || second[0];
  if (first[1].startsWith(second[1])) return [`${namespace}/${first[1]}`];
  return second[1].startsWith(first[1]) ? [`${namespace}/${second[1]}`] : [];
}
