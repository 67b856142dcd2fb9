/**
 * Where cards stand: those of a namespace together in a block, blocks and the cards in them in columns by
 * who calls whom, each as near as may be to those it talks to (d3-force). What stands keeps its order.
 */

import { ranksOf } from "../model/ranks.js";
import { stacked } from "../model/stack.js";
import { d3 } from "./d3.js";

/**
 * @typedef {object} Box
 * @property {string} id
 * @property {string} namespace empty: a block of its own
 * @property {number} width
 * @property {number} height
 * @property {number} [x] its upper left corner, if it stood already
 * @property {number} [y]
 * @property {boolean} [isPinned] somebody put it there
 */

/** @typedef {{namespace: string, x: number, y: number, width: number, height: number}} Band */

const ROW_GAP = 18;
const BLOCK_GAP = 22;
/** Between columns: links have to be seen, and a small screen has little room. */
const COLUMN_GAP = 96;
const COLUMN_GAP_NARROW = 60;
const PADDING = 16;
const TITLE = 20;
const STEPS = 60;
const PACK_EACH = 6;

/**
 * Give every box a place.
 * @param {Box[]} boxes changed in place
 * @param {{from: string, to: string}[]} links
 * @param {number} aspect width by height of where it is shown
 * @returns {Band[]} the frames of namespaces
 */
export function arrange(boxes, links, aspect) {
  const free = boxes.filter((box) => !box.isPinned);
  if (free.length === 0) return [];
  const gap = aspect < 1.4 ? COLUMN_GAP_NARROW : COLUMN_GAP;
  const blocks = blocksOf(free, links, gap);
  const columns = columnsOf(blocks, links, aspect, gap);
  settle(blocks, columns, links);
  let x = 0;
  for (const column of columns) {
    for (const block of column) for (const card of block.cards) place(card, x + block.padding);
    x += Math.max(...column.map((block) => block.width)) + gap;
  }
  return blocks.filter((block) => block.namespace).map((block) => frameOf(block));
}

function place(card, left) {
  card.box.x = left + card.left;
  card.box.y = card.y - card.box.height / 2;
}

/** Cards by namespace, each card with its column within. */
function blocksOf(boxes, links, gap) {
  const byKey = new Map();
  for (const box of boxes) {
    const key = box.namespace || box.id;
    byKey.set(key, [...(byKey.get(key) ?? []), box]);
  }
  return [...byKey].map(([key, own]) => new Block(key, own, links, gap));
}

class Block {
  constructor(key, boxes, links, gap) {
    this.key = key;
    this.namespace = boxes[0].namespace;
    this.padding = this.namespace ? PADDING : 0;
    const ranks = ranksOf(
      boxes.map((box) => box.id),
      links,
    );
    const width = Math.max(...boxes.map((box) => box.width));
    this.cards = boxes.map((box) => ({
      id: box.id,
      box,
      block: this,
      fx: 0,
      vy: 0,
      left: ranks.get(box.id) * (width + gap),
      y: box.y === undefined ? undefined : box.y + box.height / 2,
    }));
    this.width = Math.max(...this.cards.map((card) => card.left)) + width + 2 * this.padding;
    const lefts = [...new Set(this.cards.map((card) => card.left))];
    this.stacks = lefts.map((left) => this.cards.filter((card) => card.left === left));
    this.height =
      Math.max(
        ...this.stacks.map((stack) =>
          stack.reduce((sum, card) => sum + card.box.height + ROW_GAP, -ROW_GAP),
        ),
      ) +
      2 * this.padding +
      (this.namespace ? TITLE : 0);
  }

  /** Bring its cards below each other; say where it reaches. */
  pack() {
    for (const stack of this.stacks) {
      stack.sort((one, other) => one.y - other.y || (one.id < other.id ? -1 : 1));
      const middles = stacked(
        stack.map((card) => ({ wish: card.y, height: card.box.height })),
        ROW_GAP,
      );
      for (const [at, card] of stack.entries()) card.y = middles[at];
    }
    const top =
      Math.min(...this.cards.map((card) => card.y - card.box.height / 2)) -
      this.padding -
      (this.namespace ? TITLE : 0);
    const bottom =
      Math.max(...this.cards.map((card) => card.y + card.box.height / 2)) + this.padding;
    Object.assign(this, { top, bottom });
  }

  shift(by) {
    for (const card of this.cards) card.y += by;
    this.top += by;
    this.bottom += by;
  }
}

/** Blocks in columns; one that is much higher than the place is wide becomes several. */
function columnsOf(blocks, links, aspect, gap) {
  const blockOf = new Map(
    blocks.flatMap((block) => block.cards.map((card) => [card.id, block.key])),
  );
  const between = links
    .map(({ from, to }) => ({ from: blockOf.get(from), to: blockOf.get(to) }))
    .filter(({ from, to }) => from && to && from !== to);
  const ranks = ranksOf(
    blocks.map((block) => block.key),
    between,
  );
  const area = blocks.reduce(
    (sum, block) => sum + (block.width + gap) * (block.height + BLOCK_GAP),
    0,
  );
  const room = Math.max(Math.sqrt(area / aspect) * 1.15, ...blocks.map((block) => block.height));
  const columns = [];
  for (const rank of [...new Set(ranks.values())].sort((one, other) => one - other)) {
    let column = [];
    let height = 0;
    for (const block of blocks.filter((each) => ranks.get(each.key) === rank)) {
      if (column.length && height + block.height > room) {
        columns.push(column);
        [column, height] = [[], 0];
      }
      column.push(block);
      height += block.height + BLOCK_GAP;
    }
    columns.push(column);
  }
  return columns;
}

/** Pull those together who talk, and apart what overlaps. */
function settle(blocks, columns, links) {
  const cards = blocks.flatMap((block) => block.cards);
  const known = new Set(cards.map((card) => card.id));
  for (const block of blocks) seed(block);
  const pulls = links
    .filter(({ from, to }) => from !== to && known.has(from) && known.has(to))
    .map(({ from, to }) => ({ source: from, target: to }));
  const force = d3
    .forceLink(pulls)
    .id((card) => card.id)
    .distance(0)
    .strength(0.3);
  const simulation = d3
    .forceSimulation(cards)
    .force("link", force)
    .alphaDecay(1 - 0.03 ** (1 / STEPS))
    .stop();
  for (let step = 1; step <= STEPS; step++) {
    simulation.tick();
    if (step % PACK_EACH === 0) pack(blocks, columns);
  }
}

/** Newcomers begin in the order of their names, among those that stand. */
function seed(block) {
  const standing = block.cards.filter((card) => card.y !== undefined);
  let y = standing.length ? Math.max(...standing.map((card) => card.y)) : 0;
  for (const card of block.cards
    .filter((each) => each.y === undefined)
    .sort((one, other) => (one.id < other.id ? -1 : 1))) {
    card.y = y += 1;
  }
}

function pack(blocks, columns) {
  for (const block of blocks) block.pack();
  for (const column of columns) {
    column.sort((one, other) => one.top + one.bottom - other.top - other.bottom);
    const middles = stacked(
      column.map((block) => ({
        wish: (block.top + block.bottom) / 2,
        height: block.bottom - block.top,
      })),
      BLOCK_GAP,
    );
    for (const [at, block] of column.entries())
      block.shift(middles[at] - (block.top + block.bottom) / 2);
  }
}

/** @returns {Band} */
function frameOf({ namespace, cards, padding, top, bottom, width }) {
  const left = Math.min(...cards.map((card) => card.box.x)) - padding;
  return { namespace, x: left, y: top, width, height: bottom - top };
}
