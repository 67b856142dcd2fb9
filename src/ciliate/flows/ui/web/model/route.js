/**
 * The way of a link between two cards: around the cards that stand between, so that nobody takes it for
 * a link of theirs. Pure.
 */

/** @typedef {{x: number, y: number, width: number, height: number}} Box */

const ROOM = 10;
const BEND_MIN = 36;
const LOOP = 44;
const OFFSETS = [0, 4, -4, 2, -2];

/**
 * The path, as SVG has it, from the right side of a card to the left side of another.
 * @param {{x: number, y: number}} start @param {{x: number, y: number}} end
 * @param {Box[]} boxes all cards
 * @param {Box} from @param {Box} to
 * @param {Tracks} tracks of all links that are placed together
 */
export function route(start, end, boxes, from, to, tracks) {
  if (end.x < start.x + 24) return around(start, end, from, to);
  const points = [start];
  for (const column of columnsBetween(boxes, start, end)) {
    const before = points.at(-1);
    const share = (column.middle - before.x) / (end.x - before.x);
    const wish = before.y + (end.y - before.y) * share;
    const y =
      free(wish, column.boxes) +
      tracks.offset(`${column.left}|${Math.round(free(wish, column.boxes))}`, from);
    points.push({ x: column.left - 6, y }, { x: column.right + 6, y });
  }
  return smooth([...points, end]);
}

/** Links of different cards do not lie upon each other where they pass others. */
export class Tracks {
  constructor() {
    /** @type {Map<string, Box[]>} */
    this.users = new Map();
  }

  /** @param {string} place @param {Box} user */
  offset(place, user) {
    const users = this.users.get(place) ?? [];
    if (!users.includes(user)) users.push(user);
    this.users.set(place, users);
    const at = users.indexOf(user) % OFFSETS.length;
    return OFFSETS[at];
  }
}

/** Cards that stand wholly between the ends, by columns from left to right. */
function columnsBetween(boxes, start, end) {
  const columns = [];
  const between = boxes
    .filter((box) => box.x > start.x + 4 && box.x + box.width < end.x - 2)
    .sort((one, other) => one.x - other.x);
  for (const box of between) {
    const last = columns.at(-1);
    if (last && box.x < last.right) {
      last.boxes.push(box);
      last.right = Math.max(last.right, box.x + box.width);
    } else {
      columns.push({ left: box.x, right: box.x + box.width, boxes: [box] });
    }
  }
  return columns.map((column) => ({ ...column, middle: (column.left + column.right) / 2 }));
}

/** The nearest height at which no card is in the way. */
function free(wish, boxes) {
  const blocks = (y) =>
    boxes.find((box) => y > box.y - ROOM + 1 && y < box.y + box.height + ROOM - 1);
  if (!blocks(wish)) return wish;
  const edges = boxes.flatMap((box) => [box.y - ROOM, box.y + box.height + ROOM]);
  return (
    edges
      .filter((y) => !blocks(y))
      .sort((one, other) => Math.abs(one - wish) - Math.abs(other - wish))[0] ?? wish
  );
}

function smooth(points) {
  let path = `M${at(points[0])}`;
  for (let each = 1; each < points.length; each++) {
    const one = points[each - 1];
    const other = points[each];
    const bend = Math.max(Math.min(BEND_MIN, (other.x - one.x) / 2), (other.x - one.x) * 0.5);
    path +=
      one.y === other.y
        ? `L${at(other)}`
        : `C${at({ x: one.x + bend, y: one.y })} ${at({ x: other.x - bend, y: other.y })} ${at(other)}`;
  }
  return path;
}

/** Backwards, and to itself: below both cards. */
function around(start, end, from, to) {
  const under = Math.max(from.y + from.height, to.y + to.height) + 14;
  const right = start.x + LOOP;
  const left = end.x - LOOP;
  return (
    `M${at(start)}C${at({ x: right, y: start.y })} ${at({ x: right, y: under })} ${at({ x: start.x - 16, y: under })}` +
    `L${at({ x: end.x + 16, y: under })}C${at({ x: left, y: under })} ${at({ x: left, y: end.y })} ${at(end)}`
  );
}

function at({ x, y }) {
  return `${Math.round(x * 10) / 10} ${Math.round(y * 10) / 10}`;
}
