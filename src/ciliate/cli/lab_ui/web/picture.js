/**
 * The picture of a lab: bars of its two networks, machines between, pods in them. It is moved and made
 * larger as the page's map is, and draws only what changed.
 */

import { el, iconButton, setAttribute, svg } from "../view/dom.js";
import { CARD_ICONS, FIT, MINUS, PLUS } from "../view/icons.js";
import { BAR, bestLayout, COLUMNS_MAX, laneY } from "./layout.js";
import { MachineView } from "./machine.js";
import { fitted, NOBODY, SERVER, SWITCH } from "./marks.js";

const ZOOM = [0.12, 2.5], FIT_MAX = 1.15, MARGIN = 18, NARROW = 700;
const PODS_MAX = 12, PODS_MAX_NARROW = 3;
/** Below this texts are too small to be read: a step is shown larger then. */
const READABLE = 0.72, LEAST = 0.62;
const MOVE_MS = 420;

export class PictureView {
  /** @param {{onPod: (name: string) => void, onStep: (number: number) => void, onLayout: () => void}} calls */
  constructor(calls) {
    this.calls = calls;
    this.bars = svg("g", {});
    this.machines = svg("g", {});
    this.over = svg("g", {});
    this.world = svg("g", { class: "world" }, this.bars, this.machines, this.over);
    this.canvas = svg("svg", { class: "canvas lab-canvas", role: "group", "aria-label": "The lab" }, this.world);
    this.element = el("section", { class: "lab-picture", "aria-label": "Machines, links and pods" }, this.canvas, this.tools());
    /** @type {Map<string, MachineView>} */
    this.byMachine = new Map();
    /** @type {Set<string>} */
    this.unfolded = new Set();
    this.wishes = { shown: new Set(), notes: new Map(), vacant: new Map(), beyond: [] };
    this.picture = null;
    this.layout = null;
    this.isFree = false;
    this.zoom = d3.zoom().scaleExtent(ZOOM).filter(() => !d3.event.button)
      .on("zoom", () => this.moved(d3.event.transform, d3.event.sourceEvent));
    d3.select(this.canvas).call(this.zoom).on("dblclick.zoom", null);
    this.canvas.addEventListener("click", (event) => this.click(event));
    this.canvas.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && this.click(event)) event.preventDefault();
    });
    new ResizeObserver(() => this.arrange()).observe(this.element);
  }

  tools() {
    const by = (factor) => () => d3.select(this.canvas).call(this.zoom.scaleBy, factor);
    return el("div", { class: "map-tools", role: "toolbar", "aria-label": "Picture" },
      iconButton(PLUS, "Zoom in", by(1.3)), iconButton(MINUS, "Zoom out", by(1 / 1.3)),
      iconButton(FIT, "Fit the picture", () => this.fit()));
  }

  /** @param {any} picture @param {any} [wishes] */
  show(picture, wishes = this.wishes) {
    this.picture = picture;
    this.wishes = wishes;
    this.arrange();
  }

  arrange() {
    const { clientWidth, clientHeight } = this.element;
    if (!this.picture || !clientWidth || !clientHeight) return;
    const isNarrow = clientWidth < NARROW;
    const wishes = { ...this.wishes, unfolded: this.unfolded, podsMax: isNarrow ? PODS_MAX_NARROW : PODS_MAX,
      columnsMax: isNarrow ? 1 : COLUMNS_MAX };
    const size = { width: clientWidth - 2 * MARGIN, height: clientHeight - 2 * MARGIN };
    const layout = bestLayout(this.picture, wishes, size, this.layout?.columns), key = JSON.stringify([layout, [...layout.boxes], size]);
    if (key === this.key) return;
    this.key = key;
    const isOther = !this.layout || this.layout.width !== layout.width || this.layout.height !== layout.height || this.size !== size.width * 1e5 + size.height;
    this.layout = layout;
    this.size = size.width * 1e5 + size.height;
    this.draw();
    if (isOther && !this.isFree) this.fit();
    this.calls.onLayout();
  }

  draw() {
    const { layout, picture } = this;
    this.bars.replaceChildren(...layout.rows.flatMap((row) => this.barsOf(row)), ...trunks(layout), ...layout.chips.map(chip));
    for (const [name, view] of this.byMachine) {
      if (layout.boxes.has(name)) continue;
      view.element.remove();
      this.byMachine.delete(name);
    }
    for (const [name, box] of layout.boxes) {
      let view = this.byMachine.get(name);
      if (!view) {
        view = new MachineView(name);
        this.byMachine.set(name, view);
        this.machines.append(view.element);
      }
      view.show(box, layout.rows[box.row], picture.gateway);
    }
  }

  barsOf({ internetY, switchY }) {
    const { width } = this.layout;
    const bar = (kind, y, path, name, textY) => svg("g", { class: `bar ${kind}`, transform: `translate(0 ${y})` },
      svg("rect", { width, height: BAR, rx: 9 }),
      svg("path", { class: "bar-icon", d: path, transform: `translate(14 ${textY - 12})` }), svg("text", { x: 38, y: textY, text: name }));
    return [bar("internet", internetY, CARD_ICONS.world, "internet", 20), bar("switch", switchY, SWITCH, "switch", 34)];
  }

  /** All of it in the window. */
  fit() {
    const { layout, element: { clientWidth, clientHeight } } = this;
    if (!layout || !clientWidth) return;
    const byWidth = (clientWidth - 2 * MARGIN) / layout.width, byHeight = (clientHeight - 2 * MARGIN) / layout.height;
    const scale = Math.max(ZOOM[0], Math.min(FIT_MAX, byWidth, clientWidth < NARROW ? FIT_MAX : byHeight));
    const x = (clientWidth - scale * layout.width) / 2, y = Math.max(MARGIN, (clientHeight - scale * layout.height) / 2);
    this.fitScale = Math.min(scale, byHeight);
    this.go(d3.zoomIdentity.translate(x, y).scale(scale), false);
    this.isFree = false;
  }

  /** Bring points into a window in which all of it would be too small to read. @param {{x: number, y: number}[]} points */
  reveal(points) {
    const { clientWidth, clientHeight } = this.element;
    if (this.isFree || !points.length || this.fitScale >= READABLE || !clientWidth) return;
    const xs = points.map(({ x }) => x), ys = points.map(({ y }) => y);
    const left = Math.min(...xs) - 40, right = Math.max(...xs) + 250, top = Math.min(...ys) - 50, bottom = Math.max(...ys) + 70;
    const whole = Math.min(clientWidth / (right - left), clientHeight / (bottom - top)), end = points.at(-1);
    const scale = Math.max(LEAST, Math.min(READABLE + 0.1, whole)), isWhole = scale <= whole;
    const x = isWhole ? (left + right) / 2 : end.x + 100, y = isWhole ? (top + bottom) / 2 : end.y;
    this.go(d3.zoomIdentity.translate(clientWidth / 2 - scale * x, clientHeight / 2 - scale * y).scale(scale), true);
  }

  go(transform, isSlow) {
    const canvas = d3.select(this.canvas), isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (isSlow && !isStill) canvas.transition().duration(MOVE_MS).call(this.zoom.transform, transform);
    else canvas.interrupt().call(this.zoom.transform, transform);
  }

  moved(transform, byHand) {
    this.world.setAttribute("transform", transform.toString());
    if (byHand) this.isFree = true;
  }

  click(event) {
    const at = (name) => event.target.closest(`[data-${name}]`)?.getAttribute(`data-${name}`);
    const [step, more, pod] = [at("step"), at("more"), at("pod")];
    if (step) this.calls.onStep(Number(step));
    else if (more) this.fold(more);
    else if (pod) this.calls.onPod(pod);
    return Boolean(step || more || pod);
  }

  fold(machine) {
    if (!this.unfolded.delete(machine)) this.unfolded.add(machine);
    this.arrange();
  }

  /** Bring out the pods of a way, and one that somebody chose. @param {Set<string>} names @param {string} chosen */
  light(names, chosen) {
    for (const element of this.machines.querySelectorAll("[data-pod]")) {
      const name = element.getAttribute("data-pod");
      element.classList.toggle("lit", names.has(name));
      element.classList.toggle("chosen", name === chosen);
    }
    setAttribute(this.canvas, "data-lit", String(names.size > 0));
  }
}

/** The bars of one network are one: joined at the side. */
function trunks(layout) {
  const { rows, width } = layout;
  if (rows.length < 2) return [];
  const first = rows[0], last = rows.at(-1);
  return [["internet", 12], ["switch", width - 12]].map(([bar, x]) =>
    svg("path", { class: "trunk", d: `M${x} ${laneY(first, bar)}V${laneY(last, bar)}` }));
}

function chip({ name, isKnown, x, y, width }) {
  return svg("g", { class: `chip-card${isKnown ? "" : " unknown"}`, transform: `translate(${x} ${y + 6})` },
    svg("title", { text: isKnown ? `${name}, a web server on the internet` : `${name}: not of this lab, as far as it knows` }),
    svg("rect", { width, height: BAR - 12, rx: 6 }),
    svg("path", { class: "slot-icon", d: isKnown ? SERVER : NOBODY, transform: "translate(9 9)" }),
    svg("text", { x: 32, y: 21.5, text: fitted(name, 22) }));
}
