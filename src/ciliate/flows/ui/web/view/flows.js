/** The view of flows: map, table and details of what the address names. */

import { isChosen, withWord } from "../model/choice.js";
import { filtersOf } from "../model/filter.js";
import { isWorld } from "../model/names.js";
import { MANY } from "../model/links.js";
import { WordError } from "../model/word_values.js";
import { Details } from "./details.js";
import { el } from "./dom.js";
import { Empty } from "./empty.js";
import { Filters } from "./filters.js";
import { ServiceMap } from "./map.js";
import { splitter } from "./split.js";
import { Table } from "./table.js";
import { Verdicts, Visual } from "./visual.js";

export class FlowsView {
  static title = "Flows";

  /** @param {import("../app.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    this.generation = 0;
    this.asked = "";
    this.filters = new Filters(frame);
    this.visual = new Visual(frame);
    this.verdicts = new Verdicts(frame);
    this.map = new ServiceMap({
      onCard: (card, isHidden) => this.filterCard(card, isHidden),
      onLink: (link) => this.filterLink(link),
    });
    this.table = new Table({
      onView: (view) => frame.order("view", view),
      onRow: (row) => this.ask(row),
    });
    this.details = new Details(frame, () => {
      this.table.choose(null);
      this.table.grid.focus();
    });
    this.empty = new Empty(frame);
    this.map.element.append(this.empty.element);
    this.bar = el(
      "div",
      { class: "filter-bar" },
      frame.namespaces.element,
      this.filters.element,
      this.verdicts.element,
      this.visual.element,
    );
    const panes = el("div", { class: "panes" });
    panes.append(this.map.element, splitter(panes), this.table.element);
    this.main = el("div", { class: "flows" }, panes, this.details.element);
    this.element = el("div", { class: "view" }, this.bar, this.main);
  }

  /** @param {import("../model/choice.js").Choice} choice */
  show(choice) {
    this.main.classList.toggle("unchosen", !isChosen(choice));
    for (const part of [this.frame.namespaces, this.filters, this.visual, this.verdicts])
      part.show();
    if (!isChosen(choice)) {
      this.restart("");
      this.frame.order("idle", {});
      this.empty.show("unchosen");
      return;
    }
    try {
      const filters = filtersOf(choice);
      const asked = JSON.stringify(filters);
      if (asked === this.asked) return;
      this.restart(asked);
      this.filters.complain("");
      this.empty.show("opening");
      this.frame.order("watch", { filters, generation: this.generation });
    } catch (error) {
      if (!(error instanceof WordError)) throw error;
      this.restart("");
      this.filters.complain(error.message);
      this.frame.order("idle", {});
      this.empty.show("refused", error.message);
    }
  }

  restart(asked) {
    this.asked = asked;
    this.generation += 1;
    this.map.clear();
    this.table.clear();
    this.details.element.hidden = true;
    this.verdicts.tick([]);
  }

  /** @param {any} tick */
  tick(tick) {
    if (!this.asked || tick.generation !== this.generation) {
      if (!isChosen(this.frame.choice)) this.empty.show("unchosen");
      return;
    }
    this.map.tick(tick);
    this.table.tick(tick.table);
    this.verdicts.tick(tick.verdicts);
    if (this.frame.namespaces.add(tick.cards.map((card) => card.namespace)))
      this.frame.namespaces.show();
    const refused = refusal(tick);
    if (refused) this.filters.complain(refused);
    this.empty.show(...this.emptiness(tick, refused));
  }

  emptiness(tick, refused) {
    if (!this.map.isEmpty) return [""];
    if (tick.total) return ["unmapped"];
    if (refused) return ["refused", refused];
    if (tick.state.kind === "fault") return ["away", tick.state.message];
    return [tick.state.kind === "open" ? "quiet" : "opening"];
  }

  ask(row) {
    if (row) this.frame.order("details", { sequence: row.sequence });
    else this.details.close();
  }

  /** @param {any} answer */
  showDetails({ sequence, found }) {
    if (sequence === this.table.chosen) this.details.show(found);
  }

  /** Only its flows, or all but its; once more: as before.
   * @param {import("../model/cards.js").Card} card @param {boolean} isHidden */
  filterCard(card, isHidden) {
    const words = wordsOf(card).map((word) => ({ ...word, not: isHidden }));
    const chosen = this.frame.choice.words;
    const isOn = words.every((word) =>
      chosen.some((each) => isSame(each, word) && each.not === word.not),
    );
    const without = chosen.filter((each) => !words.some((word) => isSame(each, word)));
    if (words.length) this.frame.go({ words: isOn ? without : [...without, ...words] });
  }

  /** @param {import("./link.js").LinkView} link */
  filterLink(link) {
    const words = [
      ...wordsOf(link.from.card).map((word) => ({ ...word, name: `from-${word.name}` })),
      ...wordsOf(link.to.card).map((word) => ({ ...word, name: `to-${word.name}` })),
      ...(link.port > 0 && link.port !== MANY
        ? [{ name: "to-port", value: String(link.port) }]
        : []),
      { name: "protocol", value: link.protocol.toLowerCase() },
    ];
    let { choice } = this.frame;
    for (const word of words) choice = withWord(choice, { ...word, not: false });
    this.frame.go(choice);
  }
}

function isSame(one, other) {
  return one.name === other.name && one.value === other.value;
}

/** The words that choose a card. */
function wordsOf(card) {
  if (card.identity && !isWorld(card.identity))
    return [{ name: "identity", value: String(card.identity) }];
  const [kind, ...rest] = card.id.split("/");
  if (kind === "world") return [{ name: "label", value: "reserved:world" }];
  if (kind === "pod") return [{ name: "pod", value: rest.join("/") }];
  if (kind === "workload") return [{ name: "workload", value: rest.slice(1).join("/") }];
  return [];
}

/** What a server says against the request itself. */
function refusal(tick) {
  const { state, faults } = tick;
  if (state.kind === "fault" && !state.retryMs) return state.message;
  const found = faults.find(({ message }) => /\bfilter/i.test(message));
  return found ? found.message : "";
}
