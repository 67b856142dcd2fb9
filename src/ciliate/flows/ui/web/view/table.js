/**
 * The table of flows, the newest on top. Only rows that are seen are in the document; who scrolls down
 * or chooses a row keeps what is there, and is told how many are new.
 */

import { verdictName } from "../model/flow.js";
import { VERDICTS } from "../model/names.js";
import { timeOfDay } from "../model/time.js";
import { counted } from "../model/text.js";
import { el, icon, setAttribute, setText } from "./dom.js";
import { endCell } from "./end_cell.js";
import { UP } from "./icons.js";

const ROW = 26;
const BEYOND = 8;

/** Title and class of a column; what it says of a row. */
const COLUMNS = [
  ["Time", "time", (row) => timeOfDay(row.ms)],
  ["Source", "end source", null],
  ["Destination", "end destination", null],
  ["Port", "port", (row) => row.destinationPort || ""],
  ["Protocol", "protocol", (row) => [row.protocol, row.summary].filter(Boolean).join(" ")],
  ["Verdict", "verdict", null],
  ["Type", "type", (row) => row.reason || row.type],
  ["Node", "node", (row) => row.node],
  ["TCP flags", "flags", (row) => row.flags],
];

export class Table {
  /** @param {{onView: (view: {first: number, count: number, isHeld: boolean}) => void, onRow: (row: any) => void}} calls */
  constructor(calls) {
    this.calls = calls;
    this.first = 0;
    this.count = 40;
    this.isHeld = false;
    this.total = 0;
    /** @type {any[]} */
    this.rows = [];
    /** @type {number | null} sequence of the row that is chosen */
    this.chosen = null;
    this.head = el(
      "div",
      { class: "row head", role: "row", "aria-rowindex": 1 },
      ...COLUMNS.map(([title, name]) =>
        el("div", { class: `cell ${name}`, role: "columnheader", text: title }),
      ),
    );
    this.sheet = el("div", { class: "sheet", role: "rowgroup" });
    this.grid = el(
      "div",
      {
        class: "grid",
        role: "grid",
        tabindex: 0,
        "aria-label": "Flows, the newest first",
        "aria-colcount": COLUMNS.length,
      },
      this.head,
      this.sheet,
    );
    this.newer = el("button", {
      type: "button",
      class: "newer",
      hidden: true,
      on: { click: () => this.goOn() },
    });
    this.element = el("section", { class: "table", "aria-label": "Flows" }, this.grid, this.newer);
    /** @type {any[]} elements of rows, used again */
    this.lines = [];
    this.grid.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.grid.addEventListener("keydown", (event) => this.key(event));
    this.sheet.addEventListener("click", (event) => this.click(event));
    new ResizeObserver(() => this.scrolled()).observe(this.grid);
  }

  clear() {
    this.grid.scrollTop = 0;
    Object.assign(this, { first: 0, isHeld: false, chosen: null });
    this.newer.hidden = true;
    this.tick({ first: 0, total: 0, isHeld: false, news: 0, rows: [] });
  }

  scrolled() {
    const first = Math.max(0, Math.floor(this.grid.scrollTop / ROW) - BEYOND);
    const count = Math.ceil(this.grid.clientHeight / ROW) + 2 * BEYOND;
    const isHeld = this.chosen !== null || this.grid.scrollTop > ROW / 2;
    if (first === this.first && count === this.count && isHeld === this.isHeld) return;
    Object.assign(this, { first, count, isHeld });
    this.calls.onView({ first, count, isHeld });
  }

  /** Follow the newest again. */
  goOn() {
    this.chosen = null;
    this.grid.scrollTop = 0;
    this.isHeld = false;
    this.newer.hidden = true;
    this.calls.onView({ first: 0, count: this.count, isHeld: false });
  }

  /** @param {{first: number, total: number, isHeld: boolean, news: number, rows: any[]}} table */
  tick({ first, total, isHeld, news, rows }) {
    this.total = total;
    this.rows = rows;
    this.sheet.style.height = `${total * ROW}px`;
    this.grid.setAttribute("aria-rowcount", String(total + 1));
    while (this.lines.length < rows.length) this.lines.push(this.line());
    for (const [at, line] of this.lines.entries()) this.draw(line, rows[at], first + at);
    this.newer.hidden = !isHeld;
    if (isHeld) this.tellNews(news);
  }

  tellNews(news) {
    if (this.news === news && this.newer.firstChild) return;
    this.news = news;
    this.newer.replaceChildren(
      icon(UP),
      el("span", { text: news ? `${counted(news, "new flow")} · follow` : "Paused · follow" }),
    );
  }

  line() {
    const cells = COLUMNS.map(([, name]) => el("div", { class: `cell ${name}`, role: "gridcell" }));
    const ends = { source: endCell(cells[1]), destination: endCell(cells[2]) };
    const element = el("div", { class: "row", role: "row" }, ...cells);
    this.sheet.append(element);
    return { element, cells, ends, sequence: null };
  }

  draw(line, row, place) {
    const { element, cells, ends } = line;
    element.hidden = !row;
    if (!row) return;
    element.style.transform = `translateY(${place * ROW}px)`;
    element.classList.toggle("chosen", row.sequence === this.chosen);
    element.setAttribute("aria-selected", String(row.sequence === this.chosen));
    element.setAttribute("aria-rowindex", String(place + 2));
    if (line.sequence === row.sequence && line.shown === row.ms) return;
    Object.assign(line, { sequence: row.sequence, shown: row.ms });
    ends.source(row.source, row.sourceIp, row.sourceName, row.sourcePort);
    ends.destination(row.destination, row.destinationIp, row.destinationName, 0);
    for (const [at, [, , say]] of COLUMNS.entries()) if (say) setText(cells[at], say(row));
    const verdict = verdictName(row.verdict).toLowerCase();
    setText(cells[5], verdict);
    element.dataset.verdict = verdict;
    element.dataset.reply = String(row.reply);
    cells[4].classList.toggle("request", row.protocol === "" || Boolean(row.summary));
    setAttribute(cells[6], "title", row.verdict === VERDICTS.DROPPED ? row.reason : row.type);
  }

  click(event) {
    const line = this.lines.find((each) => each.element.contains(event.target));
    const row = line && this.rows.find((each) => each.sequence === line.sequence);
    if (row) this.choose(row);
  }

  /** @param {any} row null: none */
  choose(row) {
    this.chosen = row?.sequence ?? null;
    for (const line of this.lines) {
      const isChosen =
        this.chosen !== null && line.sequence === this.chosen && !line.element.hidden;
      line.element.classList.toggle("chosen", isChosen);
      line.element.setAttribute("aria-selected", String(isChosen));
    }
    this.scrolled();
    this.calls.onRow(row);
  }

  key(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, j: 1, k: -1 };
    const step = steps[event.key];
    if (step && this.rows.length) {
      event.preventDefault();
      const at = this.rows.findIndex((row) => row.sequence === this.chosen);
      const next = this.rows[Math.max(0, Math.min(this.rows.length - 1, at < 0 ? 0 : at + step))];
      this.choose(next);
      this.reveal(next);
    } else if (event.key === "Home") {
      event.preventDefault();
      this.choose(null);
      this.goOn();
    } else if (event.key === "Escape" && this.chosen !== null) {
      this.choose(null);
      if (this.grid.scrollTop === 0) this.goOn();
    }
  }

  reveal(row) {
    const top = (this.first + this.rows.indexOf(row)) * ROW;
    const height = this.grid.clientHeight - ROW;
    if (top < this.grid.scrollTop) this.grid.scrollTop = top;
    else if (top + ROW > this.grid.scrollTop + height) this.grid.scrollTop = top + ROW - height;
  }
}
