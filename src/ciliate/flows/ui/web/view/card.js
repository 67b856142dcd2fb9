/** A card of the map: its name, what it is, and the ports at which it is asked. */

import { counted, shortRate, visible } from "../model/text.js";
import { MANY } from "../model/links.js";
import { setAttribute, setText, svg } from "./dom.js";
import { CARD_ICONS } from "./icons.js";

export const WIDTH = 216;
const HEAD = 46;
const ROW = 22;
const FOOT = 6;
/** A rate that is shown. */
const LEAST = 0.05;
const ROWS_MAX = 7;
const TITLE_MAX = 22;
const KIND_MAX = 30;

export class CardView {
  /** @param {import("../model/cards.js").Card} card */
  constructor(card) {
    this.card = card;
    this.x = 0;
    this.y = 0;
    /** @type {Map<string, PortRow>} */
    this.rows = new Map();
    this.more = svg("text", { class: "more", x: 14 });
    this.body = svg("rect", { class: "body", width: WIDTH, rx: 7 });
    this.title = svg("text", { class: "title", x: 36, y: 20 });
    this.kind = svg("text", { class: "kind", x: 36, y: 36 });
    this.hint = svg("title");
    this.icon = svg("path", { class: "card-icon", transform: "translate(12 11) scale(0.95)" });
    this.lines = svg("g", {});
    this.element = svg(
      "g",
      { class: "card", tabindex: 0, role: "button" },
      this.body,
      this.icon,
      this.title,
      this.kind,
      this.lines,
      this.more,
      this.hint,
    );
    this.show(card);
  }

  get width() {
    return WIDTH;
  }

  get height() {
    const lines = Math.min(this.rows.size, ROWS_MAX) + (this.rows.size > ROWS_MAX ? 1 : 0);
    return HEAD + (lines ? lines * ROW + FOOT : 0);
  }

  /** @param {import("../model/cards.js").Card} card */
  show(card) {
    this.card = card;
    setText(this.title, shortened(card.title, TITLE_MAX));
    setText(this.kind, shortened([card.kind, card.detail].filter(Boolean).join(" · "), KIND_MAX));
    setText(
      this.hint,
      [
        card.title,
        card.kind,
        card.namespace && `namespace ${card.namespace}`,
        card.detail,
        "click: only its flows, shift-click: all others",
      ].filter(Boolean),
    );
    setAttribute(this.icon, "d", CARD_ICONS[iconOf(card)]);
    this.describe();
  }

  /** Add a link that ends here; return whether the card grew. */
  addLink(link) {
    const key = `${link.protocol} ${link.port}`;
    let row = this.rows.get(key);
    if (!row) {
      row = new PortRow(link);
      this.rows.set(key, row);
    }
    row.links.add(link);
    return row.links.size === 1;
  }

  /** Put ports in order of their numbers. */
  order() {
    const rows = [...this.rows.values()].sort((one, other) => one.place - other.place);
    rows.forEach((row, at) => {
      row.at = at < ROWS_MAX ? HEAD + at * ROW + ROW / 2 - 4 : HEAD + ROWS_MAX * ROW + ROW / 2 - 4;
      row.element.setAttribute("transform", `translate(0 ${row.at})`);
    });
    this.lines.replaceChildren(...rows.slice(0, ROWS_MAX).map((row) => row.element));
    const hidden = rows.length - ROWS_MAX;
    setText(this.more, hidden > 0 ? `${counted(hidden, "more port")}` : "");
    this.more.setAttribute("y", String(HEAD + ROWS_MAX * ROW + ROW / 2));
    this.body.setAttribute("height", String(this.height));
    this.describe();
  }

  /** Say rates and verdicts anew. */
  settle() {
    for (const row of this.rows.values()) row.settle();
  }

  place() {
    this.element.setAttribute("transform", `translate(${this.x.toFixed(1)} ${this.y.toFixed(1)})`);
  }

  /** For who hears the page. */
  describe() {
    const ports = [...this.rows.values()].map((row) => row.title).join(", ");
    const { title, kind, namespace } = this.card;
    setAttribute(
      this.element,
      "aria-label",
      `${title}, ${kind}${namespace && `, namespace ${namespace}`}${
        ports && `, asked at ${ports}`
      }. Enter: only its flows, Delete: all others.`,
    );
  }
}

/** A port of a card. */
class PortRow {
  constructor(link) {
    /** @type {Set<any>} */
    this.links = new Set();
    this.at = 0;
    this.title = portTitle(link);
    this.place = link.port === MANY ? 1e6 : link.port;
    const [port, protocol] =
      link.port > 0
        ? [String(link.port), link.protocol]
        : [link.port === MANY ? "others" : link.protocol, link.port === MANY ? link.protocol : ""];
    this.rate = svg("tspan", {});
    this.drops = svg("tspan", { class: "dropped" });
    this.dot = svg("circle", { class: "dot", cx: 0, cy: 0, r: 4 });
    this.element = svg(
      "g",
      { class: "port", "data-port": link.port, "data-protocol": link.protocol },
      svg("line", { class: "rule", x1: 1, x2: WIDTH - 1, y1: -ROW / 2, y2: -ROW / 2 }),
      this.dot,
      svg("text", { class: "number", x: 14, y: 4, text: port }),
      svg("text", { class: "protocol", x: 18 + port.length * 7.6, y: 4, text: protocol }),
      svg("text", { class: "rate", x: WIDTH - 12, y: 4 }, this.rate, this.drops),
    );
  }

  settle() {
    let rate = 0;
    let drops = 0;
    let count = 0;
    for (const link of this.links) {
      rate += link.rate;
      drops += link.dropRate;
      for (const each of link.verdicts) count += each;
    }
    const tones = new Set([...this.links].map((link) => link.tone));
    const tone =
      ["dropped", "error", "mixed", "audit"].find((each) => tones.has(each)) ?? [...tones][0];
    setAttribute(this.dot, "class", `dot ${tone}`);
    const isLive = rate >= LEAST;
    const through = rate - drops;
    setText(
      this.rate,
      !isLive ? shortCount(count) : through >= LEAST ? `${shortRate(through)}/s` : "",
    );
    setText(this.drops, drops >= LEAST ? ` ${shortRate(drops)}/s dropped` : "");
    setAttribute(this.rate, "class", isLive ? "live" : "");
  }
}

export function portTitle(link) {
  if (link.port === MANY) return `${link.protocol}, other ports`;
  return link.port > 0 ? `${link.protocol} ${link.port}` : link.protocol;
}

function shortCount(count) {
  return count < 10_000 ? String(count) : `${Math.round(count / 1000)}k`;
}

function shortened(text, length) {
  const shown = visible(text);
  return shown.length > length ? `${shown.slice(0, length - 1)}…` : shown;
}

function iconOf(card) {
  if (card.id.startsWith("world/") || card.id.startsWith("name/")) return "world";
  if (card.special === "kube-dns") return "dns";
  if (["host", "remote-node", "kube-apiserver", "health"].includes(card.special)) return "node";
  return card.kind === "Pod" || card.kind === "Pods" ? "pod" : "workload";
}
