/** What stands in a machine with a network of its own: a pod, a network behind the router, nobody. */

import { svg } from "../view/dom.js";
import { CARD_ICONS } from "../view/icons.js";
import { LINE, noteLines, noteRows, POD, RAIL, SLOT_X } from "./layout.js";
import { fitted, NOBODY, parted, SERVER } from "./marks.js";

const NAME_MAX = 24, DETAIL_MAX = 32, TEXT_MAX = 32;
const ICONS = { pod: CARD_ICONS.pod, network: SERVER, nobody: NOBODY };

/** @param {import("./layout.js").Slot} slot @returns {any[]} */
export function slotParts(slot) {
  const { title, name, detail } = wordsOf(slot);
  return [
    svg("title", { text: title }),
    svg("path", { class: "stub", d: `M${RAIL - SLOT_X} 20H0` }),
    svg("circle", { class: "joint", cx: RAIL - SLOT_X, cy: 20, r: 3 }),
    svg("rect", { class: "card-body", width: slot.width, height: slot.height, rx: 7 }),
    svg("path", { class: "slot-icon", d: ICONS[slot.kind], transform: "translate(9 12)" }),
    svg("text", { class: "slot-name", x: 34, y: 17, text: fitted(name, NAME_MAX) }),
    svg("text", { class: "slot-detail", x: 34, y: 32, text: fitted(detail, DETAIL_MAX) }),
    ...noteParts(slot),
  ];
}

function wordsOf({ kind, key, pod }) {
  if (kind === "network") return { title: `${key}, behind the router`, name: key, detail: "behind the router" };
  if (kind === "nobody") return { title: `no pod has ${key}`, name: key, detail: "no pod has this address" };
  const [namespace, name] = parted(pod.name), addresses = pod.addresses.join(" ");
  return { title: [pod.name, pod.phase, ...pod.addresses].join("\n"), name,
    detail: [pod.phase === "Running" ? addresses : pod.phase, namespace].filter(Boolean).join("  ") };
}

/** What happens to packets in a pod, a line each, with the number of the step. */
function noteParts({ notes, width }) {
  if (!notes.length) return [];
  let y = POD + 2;
  const parts = [svg("path", { class: "rule", d: `M1 ${POD}H${width - 1}` })];
  for (const step of notes) {
    const lines = noteLines(step), isShort = noteRows(step) * 2 === lines.length;
    parts.push(noteMark(step, y + 9));
    if (isShort) parts.push(pairs(lines, y + 13));
    else parts.push(...lines.map((line, at) => svg("text", { class: "note-text", x: 30, y: y + 13 + at * LINE }, ...words([line]))));
    y += noteRows(step) * LINE;
  }
  return parts;
}

function pairs(lines, y) {
  const rows = [];
  for (let at = 0; at < lines.length; at += 2) {
    rows.push(svg("text", { class: "note-text", x: 30, y: y + (at / 2) * LINE }, ...words(lines.slice(at, at + 2))));
  }
  return rows.length === 1 ? rows[0] : svg("g", {}, ...rows);
}

function words(lines) {
  return lines.flatMap(({ text, isBefore, isAfter, isEnd }) => [
    isAfter && svg("tspan", { class: "arrow", text: "→ ", dx: lines.length > 1 ? 5 : 0 }),
    svg("tspan", { class: isBefore ? "before" : isAfter ? "after" : isEnd ? "end" : "", text: fitted(text, isAfter ? TEXT_MAX - 2 : TEXT_MAX) }),
  ]);
}

function noteMark(step, y) {
  const kind = step.cause ? "dropped" : step.changes.length ? "translated" : "request";
  return svg("g", { class: `mark small ${kind}`, "data-step": step.number, transform: `translate(17 ${y})` },
    svg("circle", { r: 7.2 }), svg("text", { y: 3.5, text: step.number }));
}
