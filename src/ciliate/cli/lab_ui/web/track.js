/** Stations as points of the picture, and lines through them: straight, with round corners. Pure. */

import { laneY, RAIL, SLOT_X } from "./layout.js";

/** @typedef {{x: number, y: number, isEdge?: boolean}} Point `isEdge`: at the side of a card, where lanes end */

/** How far the two directions stand apart from the middle. */
export const LANE = 4;
const ROUND = 9, TRUNK = 16;
/** How far from a machine the mark of a device stands on its wire. */
const DEVICE = 32;

/** Where a station is, or null: it is not in the picture. @param {import("./ground.js").Station} station
 *  @param {import("./layout.js").Layout} layout @returns {Point | null} */
export function pointOf(station, layout) {
  const { kind, node, name } = station;
  if (kind === "server" || kind === "beyond") {
    const chip = layout.chips.find((each) => each.name === name);
    return chip ? { x: chip.x, y: laneY(layout.rows[0], chip.bar), isEdge: true } : null;
  }
  const box = layout.boxes.get(node);
  if (!box) return null;
  const row = layout.rows[box.row], x = box.x + RAIL, slot = box.slots.find((each) => each.key === name);
  switch (kind) {
    case "pod": case "network": case "nobody":
      return slot ? { x: slot.x, y: slot.y + 20, isEdge: true } : hostPoint(box);
    case "veth": return slot ? { x: box.x + (RAIL + SLOT_X) / 2 + 3, y: slot.y + 20 } : hostPoint(box);
    case "device": return deviceOf(name, box, x);
    case "gateway": return { x, y: row.internetY + (box.y - row.internetY) * 0.5 };
    case "internet": return { x, y: laneY(row, "internet") };
    case "switch": return { x, y: laneY(row, "switch") };
    default: return hostPoint(box);
  }
}

function hostPoint(box) {
  return { x: box.x + SLOT_X - 18, y: box.y + 28, isEdge: true };
}

function deviceOf(name, box, x) {
  if (name === "eth0") return { x, y: box.y - DEVICE };
  if (name === "eth1") return { x, y: box.y + box.height + DEVICE };
  return hostPoint(box);
}

/**
 * The points of a line through stations, and which of them each station is. Between two that are not
 * straight on there are corners: on the machine's rail, or where the bars of a network are joined.
 * @param {import("./ground.js").Station[]} stations @param {import("./layout.js").Layout} layout
 * @returns {{points: Point[], places: number[]}}
 */
export function lineOf(stations, layout) {
  /** @type {Point[]} */
  const points = [], places = [];
  stations.forEach((station, at) => {
    const point = pointOf(station, layout), last = points.at(-1);
    if (point && last) points.push(...corners(last, point, stations[at - 1], station, layout));
    if (point) points.push(point);
    places.push(Math.max(0, points.length - 1));
  });
  return { points, places };
}

/** @returns {Point[]} */
function corners(from, to, one, other, layout) {
  if (from.x === to.x || from.y === to.y) return [];
  const box = layout.boxes.get(one.node ?? other.node), rail = box ? box.x + RAIL : from.x;
  if (one.node !== undefined && one.node === other.node) return [{ x: rail, y: from.y }, { x: rail, y: to.y }].filter((corner) =>
    !isAt(corner, from) && !isAt(corner, to));
  const isSwitch = one.kind === "switch" || other.kind === "switch";
  const trunk = isSwitch ? layout.width - TRUNK + 4 : TRUNK - 4;
  return [{ x: trunk, y: from.y }, { x: trunk, y: to.y }];
}

function isAt(one, other) {
  return one.x === other.x && one.y === other.y;
}

/** The same line, a lane aside: there and back run beside each other. @param {Point[]} points @param {"request" | "reply"} direction */
export function aside(points, direction) {
  const by = direction === "request" ? -LANE : LANE;
  return points.map((point) => ({ x: point.isEdge ? point.x - 2 : point.x + by, y: point.y + by }));
}

/** A path through points, its corners round. @param {Point[]} points */
export function drawn(points) {
  const [first, ...rest] = points;
  if (!first) return "";
  const parts = [`M${first.x} ${first.y}`];
  rest.forEach((point, at) => {
    const before = points[at], after = points[at + 2];
    if (!after) {
      parts.push(`L${point.x} ${point.y}`);
      return;
    }
    const enter = toward(point, before), leave = toward(point, after);
    parts.push(`L${enter.x} ${enter.y}Q${point.x} ${point.y} ${leave.x} ${leave.y}`);
  });
  return parts.join("");
}

/** A little from a corner toward another point. */
function toward(corner, other) {
  const dx = other.x - corner.x, dy = other.y - corner.y, length = Math.hypot(dx, dy) || 1;
  const share = Math.min(ROUND, length / 2) / length;
  return { x: corner.x + dx * share, y: corner.y + dy * share };
}
