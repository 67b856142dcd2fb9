/**
 * A journey over the picture: a line for each packet, a numbered mark for each hop, and the packet
 * itself, which goes from hop to hop.
 */

import { setAttribute, svg } from "../view/dom.js";
import { LANE, aside, drawn, lineOf } from "./track.js";
import { noteLines } from "./layout.js";

const MARK = 9, APART = 21;
/** How fast a packet goes, in pixels a second, and how long a hop takes at least and at most. */
const SPEED = 420, HOP_MS = [420, 1300];
/** Kinds of places beside whose mark there is room for a note. */
const NOTED = new Set(["device"]);

export class Drawing {
  constructor() {
    this.lines = svg("g", {});
    this.marks = svg("g", {});
    this.packet = svg("g", { class: "packet" }, svg("circle", { class: "halo", r: 14 }), svg("circle", { r: 6.5 }));
    this.packet.setAttribute("visibility", "hidden");
    this.element = svg("g", { class: "journey" }, markers(), this.lines, this.marks, this.packet);
    this.journey = null;
    this.layout = null;
    this.number = 0;
    this.moving = 0;
  }

  /** @param {import("./way.js").Journey | null} journey @param {import("./layout.js").Layout | null} layout @param {number} number of the step */
  show(journey, layout, number) {
    const isSame = journey === this.journey && layout === this.layout;
    Object.assign(this, { journey, layout, number });
    if (!journey || !layout) {
      this.clear();
      return;
    }
    if (!isSame) this.draw();
    this.choose();
  }

  clear() {
    this.stop();
    this.tracks = null;
    for (const layer of [this.lines, this.marks]) layer.replaceChildren();
    this.packet.setAttribute("visibility", "hidden");
  }

  draw() {
    const { journey, layout } = this;
    this.stop();
    /** Points of each packet, and which of them its stations are. */
    this.tracks = journey.packets.map(({ stations, direction }) => {
      const { points, places } = lineOf(stations, layout);
      return { points: aside(points, direction), places };
    });
    this.lines.replaceChildren(...journey.packets.flatMap((packet, at) => this.linesOf(packet, at)));
    const taken = new Map();
    this.marks.replaceChildren(...journey.steps.filter((step) => step.at?.kind !== "pod" || !this.slotOf(step))
      .map((step) => this.markOf(step, taken)));
  }

  slotOf(step) {
    return this.layout.boxes.get(step.at?.node)?.slots.some((slot) => slot.key === step.at.name);
  }

  linesOf(packet, at) {
    const { points, places } = this.tracks[at];
    if (points.length < 2) return [];
    const told = places[packet.told], isWhole = told >= points.length - 1, isDropped = packet.steps.some((step) => step.hop.drop);
    const group = `track ${packet.direction}${isDropped ? " dropped" : ""}`;
    const path = (kind, part, attributes = {}) => svg("path", { class: kind, d: drawn(part), ...attributes });
    const arrow = isDropped ? undefined : `url(#lab-arrow-${packet.direction})`;
    return [svg("g", { class: group, "data-packet": at },
      path("line", isWhole ? points : points.slice(0, told + 1), isWhole ? { "marker-end": arrow } : {}),
      !isWhole && path("line untold", points.slice(told), { "marker-end": arrow }),
      path("run", isWhole ? points : points.slice(0, told + 1)))];
  }

  /** Where a step is on its packet's line. */
  placeOf(step) {
    const { points, places } = this.tracks[step.packet], point = points[places[step.stop]];
    return point ?? points[0] ?? { x: 0, y: 0 };
  }

  markOf(step, taken) {
    const { x, y } = this.placeOf(step), { direction } = this.journey.packets[step.packet];
    const side = direction === "request" ? -1 : 1, kind = step.cause ? "dropped" : step.changes.length ? "translated" : direction;
    const key = `${Math.round(x / 8)} ${Math.round(y / 8)}`, before = taken.get(key) ?? 0;
    taken.set(key, before + 1);
    const isVertical = step.at?.kind === "device";
    const [dx, dy] = isVertical ? [side * (MARK - LANE + 2 + before * APART), 0] : [before * APART, side * (MARK - LANE + 2)];
    const note = step.changes.length && NOTED.has(step.at?.kind) ? noteBeside(step) : null;
    return svg("g", { class: `mark ${kind} ${direction}`, "data-step": step.number, transform: `translate(${x + dx} ${y + dy})` },
      svg("title", { text: `${step.number}. ${step.hop.node}: ${step.hop.text}` }),
      svg("circle", { class: "halo", r: MARK + 5 }), svg("circle", { r: MARK }), svg("text", { y: 4, text: step.number }), note);
  }

  /** Bring out a step and its packet. */
  choose() {
    const step = this.journey.steps[this.number - 1];
    for (const line of this.lines.children) {
      line.classList.toggle("now", !step || line.getAttribute("data-packet") === String(step.packet));
    }
    for (const mark of this.marksOfAll()) mark.classList.toggle("now", mark.getAttribute("data-step") === String(this.number));
    setAttribute(this.element, "data-at", String(this.number));
  }

  marksOfAll() {
    return this.element.ownerSVGElement?.querySelectorAll(".mark") ?? [];
  }

  /** The points over which a packet comes to a step; behind its last hop it goes on to its end. */
  legOf(number, isTail = false) {
    const step = this.journey?.steps[number - 1];
    const track = step && this.tracks?.[step.packet];
    if (!track) return [];
    const { points, places } = track;
    return isTail ? points.slice(places[step.stop]) : points.slice(places[step.start], places[step.stop] + 1);
  }

  /** Let the packet go along points. @param {{x: number, y: number}[]} points @returns {Promise<void>} when it is there, or stopped */
  travel(points, direction) {
    this.stop();
    if (points.length < 2 || matchMedia("(prefers-reduced-motion: reduce)").matches) return Promise.resolve();
    const path = svg("path", { d: drawn(points) }), length = path.getTotalLength();
    const ms = Math.max(HOP_MS[0], Math.min(HOP_MS[1], (length / SPEED) * 1000)), began = performance.now();
    setAttribute(this.packet, "class", `packet ${direction}`);
    setAttribute(this.packet, "transform", `translate(${points[0].x} ${points[0].y})`);
    this.packet.setAttribute("visibility", "visible");
    return new Promise((resolve) => {
      this.arrived = resolve;
      const frame = (now) => {
        const share = Math.min(1, Math.max(0, (now - began) / ms)), eased = share < 0.5 ? 2 * share ** 2 : 1 - 2 * (1 - share) ** 2;
        const { x, y } = path.getPointAtLength(length * eased);
        this.packet.setAttribute("transform", `translate(${x} ${y})`);
        if (share < 1) this.moving = requestAnimationFrame(frame);
        else this.stop();
      };
      this.moving = requestAnimationFrame(frame);
    });
  }

  stop() {
    cancelAnimationFrame(this.moving);
    this.moving = 0;
    this.packet.setAttribute("visibility", "hidden");
    this.arrived?.();
    this.arrived = null;
  }
}

/** What a device translates, beside its mark. */
function noteBeside(step) {
  return svg("text", { class: "note-beside", x: MARK + 16, y: 4 }, ...noteLines(step).map(({ text, isBefore }) =>
    svg("tspan", { class: isBefore ? "before" : "after", dx: isBefore ? 0 : 6, text: isBefore ? text : `→ ${text}` })));
}

function markers() {
  return svg("defs", {}, ...["request", "reply"].map((direction) =>
    svg("marker", { id: `lab-arrow-${direction}`, class: `arrow-head ${direction}`, viewBox: "0 0 10 10", refX: 8, refY: 5, markerWidth: 9,
      markerHeight: 9, markerUnits: "userSpaceOnUse", orient: "auto" }, svg("path", { d: "M0 1L9 5L0 9z" }))));
}
