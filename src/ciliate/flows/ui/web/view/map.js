/**
 * The map: cards and links as they come, moved by d3-zoom and d3-drag. Only what changed is drawn.
 */

import { Tracks } from "../model/route.js";
import { el, iconButton, setText, svg } from "./dom.js";
import { Camera } from "./camera.js";
import { CardView } from "./card.js";
import { d3 } from "./d3.js";
import { Glide } from "./glide.js";
import { ARRANGE, FIT, MINUS, PLUS } from "./icons.js";
import { LinkView } from "./link.js";
import { arrange } from "./arrangement.js";
import { neighbour } from "./neighbour.js";
import { Spotlight } from "./spotlight.js";

/** Each step of a moving dash paints all links: of so many that costs nothing that anybody feels. */
const MOVING_MAX = 40;
const REMEMBERED_MAX = 2000;

export class ServiceMap {
  /** @param {{onCard: (card: import("../model/cards.js").Card, isHidden: boolean) => void, onLink: (link: LinkView) => void}} calls */
  constructor(calls) {
    this.calls = calls;
    /** Where cards stood, also those that are not shown now. @type {Map<string, {x: number, y: number}>} */
    this.remembered = new Map();
    this.bands = svg("g", {});
    this.links = svg("g", {});
    this.cards = svg("g", {});
    const world = svg("g", {}, this.bands, this.links, this.cards);
    this.canvas = svg(
      "svg",
      { class: "canvas", role: "group", "aria-label": "Service map" },
      world,
    );
    this.note = el("p", { class: "map-note", hidden: true });
    this.element = el(
      "section",
      { class: "map", "aria-label": "Service map" },
      this.canvas,
      this.note,
      this.tools(),
    );
    this.camera = new Camera(this.canvas, world, this.element);
    this.glide = new Glide(() => this.placeLinks(this.byLink.values()));
    this.spotlight = new Spotlight(
      this.canvas,
      () => this.byCard.values(),
      () => this.byLink.values(),
    );
    this.canvas.addEventListener("click", (event) => this.click(event));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("pointerover", (event) => this.point(event));
    this.canvas.addEventListener("focusin", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => this.spotlight.turn(null, null));
    new ResizeObserver(() => this.camera.isFree || this.fit()).observe(this.element);
    this.clear();
  }

  tools() {
    const by = (factor) => () => this.camera.scale(factor);
    return el(
      "div",
      { class: "map-tools", role: "toolbar", "aria-label": "Map" },
      iconButton(PLUS, "Zoom in", by(1.3)),
      iconButton(MINUS, "Zoom out", by(1 / 1.3)),
      iconButton(FIT, "Fit the map", () => this.fit()),
      iconButton(ARRANGE, "Arrange anew", () => this.rearrange()),
    );
  }

  clear() {
    /** @type {Map<string, CardView>} */
    this.byCard = new Map();
    /** @type {Map<string, LinkView>} */
    this.byLink = new Map();
    /** Element -> the card or link that it is. @type {WeakMap<Element, any>} */
    this.drawn = new WeakMap();
    this.camera.isFree = false;
    this.isStale = false;
    for (const layer of [this.bands, this.links, this.cards]) layer.replaceChildren();
    this.glide.stop();
    this.spotlight.lit = null;
    this.canvas.classList.remove("pointed");
  }

  get isEmpty() {
    return this.byLink.size === 0;
  }

  /** @param {{cards: any[], links: any[], full: boolean}} changes */
  tick({ cards, links, full }) {
    const touched = new Set();
    for (const card of cards) this.showCard(card);
    for (const link of links) {
      const view = this.byLink.get(link.id);
      if (view) view.show(link);
      else if (!this.addLink(link)) continue;
      touched.add(this.byCard.get(link.to));
    }
    for (const card of touched) card.settle();
    this.element.classList.toggle("still", this.byLink.size > MOVING_MAX);
    this.note.hidden = !full;
    setText(this.note, "There are more links than can be drawn: a filter makes them fewer.");
    if (this.isStale) this.arrange();
  }

  showCard(card) {
    const known = this.byCard.get(card.id);
    if (known) {
      known.show(card);
      return;
    }
    const view = new CardView(card);
    const place = this.remembered.get(card.id);
    if (place) Object.assign(view, place);
    view.isNew = !place;
    this.byCard.set(card.id, view);
    this.drawn.set(view.element, view);
    this.drag(view);
  }

  addLink(link) {
    const from = this.byCard.get(link.from);
    const to = this.byCard.get(link.to);
    if (!from || !to) return false;
    const view = new LinkView(link, from, to);
    this.byLink.set(link.id, view);
    this.drawn.set(view.element, view);
    to.addLink(view);
    this.links.append(view.element);
    for (const card of [from, to]) if (!card.element.isConnected) this.cards.append(card.element);
    this.isStale = true;
    return true;
  }

  rearrange() {
    this.remembered.clear();
    for (const card of this.byCard.values()) Object.assign(card, { isNew: true, isPinned: false });
    this.camera.isFree = false;
    this.arrange();
  }

  arrange() {
    this.isStale = false;
    const shown = this.shown();
    const boxes = shown.map((card) => ({
      id: card.card.id,
      namespace: card.card.namespace,
      width: card.width,
      height: card.height,
      isPinned: card.isPinned,
      card,
      x: card.isNew ? undefined : card.x,
      y: card.isNew ? undefined : card.y,
    }));
    for (const card of shown) card.order();
    const bands = arrange(
      boxes,
      [...this.byLink.values()].map(({ from, to }) => ({ from: from.card.id, to: to.card.id })),
      this.camera.aspect,
    );
    this.showBands(bands);
    this.move(boxes.filter((box) => !box.isPinned));
  }

  showBands(bands) {
    this.bands.replaceChildren(
      ...bands.map(({ namespace, x, y, width, height }) =>
        svg(
          "g",
          { class: "band" },
          svg("rect", { x, y, width, height, rx: 10 }),
          svg("text", { x: x + 14, y: y + 20, text: namespace }),
        ),
      ),
    );
  }

  /** Bring cards to their places. */
  move(boxes) {
    for (const { card, x, y } of boxes) {
      if (card.isNew) Object.assign(card, { x, y, isNew: false });
      this.remembered.set(card.card.id, { x, y });
    }
    if (this.remembered.size > REMEMBERED_MAX) this.remembered.clear();
    this.glide.begin(boxes);
    if (!this.camera.isFree) this.fit(boxes);
  }

  placeLinks(links) {
    const boxes = this.shown();
    const tracks = new Tracks();
    for (const link of links) link.place(boxes, tracks);
  }

  shown() {
    return [...this.byCard.values()].filter((card) => card.element.isConnected);
  }

  /** Show all of it. @param {any[]} [boxes] where cards go to, if they move */
  fit(boxes = []) {
    const targets = new Map(boxes.map((box) => [box.card, box]));
    this.camera.fit(this.shown().map((card) => targets.get(card) ?? card));
  }

  drag(view) {
    let moved = false;
    d3.select(view.element).call(
      d3
        .drag()
        .on("start", () => {
          moved = false;
        })
        .on("drag", () => {
          moved = true;
          view.isPinned = true;
          view.x += d3.event.dx;
          view.y += d3.event.dy;
          view.place();
          this.placeLinks(
            [...this.byLink.values()].filter((link) => link.from === view || link.to === view),
          );
        })
        .on("end", () => {
          if (moved) this.camera.isFree = true;
        }),
    );
  }

  click(event) {
    if (event.defaultPrevented) return;
    const card = this.cardAt(event.target);
    const link = this.linkAt(event.target);
    if (card) this.calls.onCard(card.card, event.shiftKey);
    else if (link) this.calls.onLink(link);
  }

  key(event) {
    const card = this.cardAt(event.target);
    if (!card) return;
    if (event.key === "Enter" || event.key === " " || event.key === "Delete") {
      event.preventDefault();
      this.calls.onCard(card.card, event.key === "Delete");
    } else if (event.key.startsWith("Arrow")) {
      event.preventDefault();
      neighbour(card, event.key, [...this.byCard.values()])?.element.focus();
    }
  }

  cardAt(target) {
    return this.drawn.get(target.closest(".card"));
  }

  linkAt(target) {
    return this.drawn.get(target.closest(".link"));
  }

  point(event) {
    const link = this.linkAt(event.target);
    link?.describe();
    this.spotlight.turn(this.cardAt(event.target) ?? null, link ?? null);
  }
}
