/**
 * Where everything of the picture stands, in pixels at scale 1: the internet above, the switch below,
 * machines between, pods in them. Many machines stand in rows, each row between two bars of its own;
 * the bars of one network are joined at the side. Pure.
 */

import { isOwn } from "./ground.js";

export const WIDTH = 340, RAIL = 26, SLOT_X = 78, HEAD = 54, POD = 40, LINE = 19, BAR = 46;
/** Between a bar and the machines, at least and where there is room. */
const WIRE = 66, WIRE_MAX = 120;
const GAP = 30, SLOT_GAP = 7, HOST = 19, FOOT = 18, ROWS_GAP = 34, SIDE = 30, CHIP = 184;
/** Where in a bar packets run: near the machines. */
const LANE = 12;
export const COLUMNS_MAX = 12;
/** Another number of columns has to be so much better, lest machines jump about. */
const BETTER = 1.12;

/**
 * @typedef {object} Slot a pod with a network of its own, a network behind the router, an address of nobody's
 * @property {"pod" | "network" | "nobody"} kind
 * @property {string} key
 * @property {number} x
 * @property {number} y
 * @property {number} width
 * @property {number} height
 * @property {any} pod
 * @property {import("./way.js").Step[]} notes what happens to packets in it
 */

/**
 * @typedef {object} Box a machine
 * @property {any} machine
 * @property {number} row
 * @property {number} x
 * @property {number} y
 * @property {number} height
 * @property {Slot[]} slots
 * @property {{y: number, pods: any[]} | null} hosts pods on the node's own network
 * @property {{y: number, count: number} | null} more pods that are folded away
 */

/** @typedef {{internetY: number, switchY: number, top: number, bottom: number}} Row bars, and the machines' room */
/** @typedef {{name: string, bar: "internet" | "switch", isKnown: boolean}} Chip who is on a network, and no machine */

/**
 * @typedef {object} Layout
 * @property {number} columns
 * @property {number} width
 * @property {number} height
 * @property {Map<string, Box>} boxes
 * @property {Row[]} rows
 * @property {(Chip & {x: number, y: number, width: number})[]} chips
 * @property {any} picture
 */

/**
 * @typedef {object} Wishes
 * @property {Set<string>} shown pods that are not folded away
 * @property {Map<string, any[]>} notes slot -> steps
 * @property {Map<string, string[]>} vacant node -> addresses of its range that nobody has
 * @property {Chip[]} beyond
 * @property {number} podsMax of a machine
 * @property {number} columnsMax
 * @property {Set<string>} unfolded machines
 */

/**
 * The layout that is seen largest in a window.
 * @param {any} picture @param {Wishes} wishes @param {{width: number, height: number}} size @param {number} [before] columns
 * @returns {Layout}
 */
export function bestLayout(picture, wishes, size, before = 0) {
  const most = Math.max(1, Math.min(wishes.columnsMax, picture.machines.length));
  let best = null, bestScale = 0;
  for (let columns = 1; columns <= most; columns++) {
    const layout = layoutOf(picture, wishes, columns), favour = columns === before ? BETTER : 1;
    const scale = Math.min(1.1, size.width / layout.width, size.height / layout.height) * favour;
    if (scale > bestScale) [best, bestScale] = [layout, scale];
  }
  if (!best) return layoutOf(picture, wishes, 1);
  const spare = size.height / Math.min(1.1, size.width / best.width) - best.height, wires = 2 * best.rows.length;
  return layoutOf(picture, wishes, best.columns, Math.round(Math.max(WIRE, Math.min(WIRE_MAX, WIRE + spare / wires))));
}

/** @param {any} picture @param {Wishes} wishes @param {number} columns @param {number} [wire] @returns {Layout} */
export function layoutOf(picture, wishes, columns, wire = WIRE) {
  const all = picture.machines.map((machine) => boxOf(machine, wishes));
  const rows = [], count = Math.ceil(all.length / columns), inner = columns * WIDTH + (columns - 1) * GAP;
  const side = count > 1 ? SIDE : 0, width = inner + 2 * side;
  let y = 0;
  for (let row = 0; row < count; row++) {
    const boxes = all.slice(row * columns, (row + 1) * columns), height = Math.max(...boxes.map((box) => box.height));
    const top = y + BAR + wire, bottom = top + height;
    boxes.forEach((box, column) => place(box, { row, x: side + column * (WIDTH + GAP), y: top + (height - box.height) / 2 }));
    rows.push({ internetY: y, switchY: bottom + wire, top, bottom });
    y = bottom + wire + BAR + ROWS_GAP;
  }
  const height = Math.max(0, y - ROWS_GAP);
  return { columns, width, height, rows, boxes: new Map(all.map((box) => [box.machine.name, box])), picture,
    chips: chipsOf(picture, wishes, rows, side + inner) };
}

/** The sizes of a machine and of what is in it, from its corner. */
function boxOf(machine, wishes) {
  const [own, others] = [[], []];
  for (const pod of machine.pods) (isOwn(pod, machine) ? own : others).push(pod);
  const visible = chosen([...own, ...others], machine, wishes);
  const cards = [
    ...(machine.role === "router" ? machine.networks.map((key) => ({ kind: "network", key, pod: null })) : []),
    ...own.filter((pod) => visible.has(pod.name)).map((pod) => ({ kind: "pod", key: pod.name, pod })),
    ...(wishes.vacant.get(machine.name) ?? []).map((key) => ({ kind: "nobody", key, pod: null })),
  ];
  let y = HEAD;
  const slots = cards.map((card) => {
    const notes = wishes.notes.get(card.key) ?? [], height = POD + notesHeight(notes);
    const slot = { ...card, x: SLOT_X, y, width: WIDTH - SLOT_X - 12, height, notes };
    y += height + SLOT_GAP;
    return slot;
  });
  const pods = others.filter((pod) => visible.has(pod.name));
  const hosts = pods.length ? { y: y + 4, pods } : null;
  if (hosts) y += 4 + 20 + pods.length * HOST;
  const count = machine.pods.length - visible.size, isFolded = count > 0 || wishes.unfolded.has(machine.name);
  const more = isFolded ? { y, count } : null;
  return { machine, slots, hosts, more, height: y + (more ? 24 : 0) + FOOT };
}

/** The pods of a machine that are drawn: as many as there is room for, those of the way always. */
function chosen(pods, machine, { shown, podsMax, unfolded }) {
  if (unfolded.has(machine.name)) return new Set(pods.map((pod) => pod.name));
  const names = pods.filter((pod) => shown.has(pod.name)).map((pod) => pod.name);
  for (const pod of pods) if (names.length < podsMax && !shown.has(pod.name)) names.push(pod.name);
  return new Set(names);
}

/** How long a note's texts may be to stand in one line. */
const NOTE_MAX = 31;

/** The lines of a note in a pod. @param {import("./way.js").Step} step @returns {{text: string, isBefore?: boolean, isAfter?: boolean, isEnd?: boolean}[]} */
export function noteLines(step) {
  if (!step.changes.length) return [{ text: step.cause ? "ends here" : step.header.destination, isEnd: Boolean(step.cause) }];
  return step.changes.flatMap(({ from, to }) => [{ text: from, isBefore: true }, { text: to, isAfter: true }]);
}

/** How many lines a note takes: before and after stand beside each other where they can. */
export function noteRows(step) {
  return step.changes.reduce((rows, { from, to }) => rows + (from.length + to.length > NOTE_MAX ? 2 : 1), step.changes.length ? 0 : 1);
}

function notesHeight(notes) {
  return notes.length ? notes.reduce((sum, step) => sum + noteRows(step) * LINE, 6) : 0;
}

function place(box, { row, x, y }) {
  Object.assign(box, { row, x, y });
  for (const slot of box.slots) Object.assign(slot, { x: slot.x + x, y: slot.y + y });
}

/** Those on a network who are no machines stand at the end of its first bar. */
function chipsOf(picture, wishes, rows, right) {
  if (!rows.length) return [];
  const known = picture.internet.map((name) => ({ name, bar: "internet", isKnown: true }));
  const taken = { internet: 0, switch: 0 };
  return [...known, ...wishes.beyond].map((chip) => {
    const place = (taken[chip.bar] += 1), { internetY, switchY } = rows[0];
    return { ...chip, width: CHIP, x: right - 8 - place * (CHIP + 8), y: chip.bar === "internet" ? internetY : switchY };
  });
}

/** Where packets run in a row's bar. @param {Row} row @param {"internet" | "switch"} bar */
export function laneY(row, bar) {
  return bar === "internet" ? row.internetY + BAR - LANE : row.switchY + LANE;
}
