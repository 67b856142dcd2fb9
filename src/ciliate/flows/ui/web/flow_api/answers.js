/**
 * The answers in a message of GetFlows: one, or many in a batch (src/ciliate/flows/batches.py).
 *
 * Flows are not read here: only where they stand.
 */

import { MESSAGES } from "./messages.js";
import { reader } from "./wire.js";

/** @typedef {{flow?: [number, number], lost_events?: any, node_status?: any, node_name?: string}} Answer */

const BATCH = "ciliate.io/batch.FlowBatch";
const place = (_octets, start, end) => [start, end];

const readAnswer = reader("observer.GetFlowsResponse", {
  flow: place,
  lost_events: true,
  node_status: true,
  node_name: true,
});
const readExtensions = reader("flow.Flow", { extensions: { type_url: true, value: place } });
const readBatch = reader("batch.FlowBatch", { answers: place });
const [EXTENSIONS] = Object.entries(MESSAGES["flow.Flow"]).find(
  ([, [name]]) => name === "extensions",
);
const EXTENSIONS_KEY = varint(Number(EXTENSIONS) * 8 + 2);

/** @param {Uint8Array} octets @returns {Generator<Answer, void>} */
export function* answersOf(octets) {
  const answer = readAnswer(octets);
  const batch = answer.flow && batchIn(octets, answer.flow);
  if (!batch) {
    yield answer;
    return;
  }
  for (const [start, end] of readBatch(octets, ...batch).answers ?? [])
    yield readAnswer(octets, start, end);
}

/** Where a batch stands in a flow; a batch has nothing else, so its first field says so. */
function batchIn(octets, [start, end]) {
  if (EXTENSIONS_KEY.some((octet, at) => octets[start + at] !== octet)) return null;
  const { extensions } = readExtensions(octets, start, end);
  return extensions.type_url === BATCH ? (extensions.value ?? null) : null;
}

function varint(number) {
  const octets = [];
  for (let rest = number; ; rest = Math.floor(rest / 128)) {
    octets.push(rest >= 128 ? (rest % 128) | 0x80 : rest);
    if (rest < 128) return octets;
  }
}
