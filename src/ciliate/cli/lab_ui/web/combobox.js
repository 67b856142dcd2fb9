/** A field with offers below it: arrows choose, Enter and Tab take, Escape closes. */

import { el } from "../view/dom.js";

/** @typedef {{value: string, about: string}} Offer */

const OFFERS_MAX = 12;
let count = 0;

export class Combobox {
  /** @param {{name: string, placeholder: string, offers: () => Offer[], onTake?: () => void}} settings */
  constructor({ name, placeholder, offers, onTake }) {
    this.offersNow = offers;
    this.onTake = onTake;
    this.id = `lab-offers-${(count += 1)}`;
    this.chosen = -1;
    /** @type {Offer[]} */
    this.offers = [];
    this.input = el("input", { type: "text", class: "field", role: "combobox", "aria-label": name, placeholder, spellcheck: "false",
      autocomplete: "off", autocapitalize: "off", "aria-autocomplete": "list", "aria-controls": this.id, "aria-expanded": "false" });
    this.list = el("ul", { class: "completion", id: this.id, role: "listbox", "aria-label": name, hidden: true });
    this.element = el("div", { class: "combobox" }, this.input, this.list);
    for (const event of ["input", "focus", "click"]) this.input.addEventListener(event, () => this.offer());
    this.input.addEventListener("blur", () => this.show([]));
    this.input.addEventListener("keydown", (event) => this.key(event));
  }

  get value() {
    return this.input.value.trim();
  }

  set value(text) {
    if (this.input.value !== text) this.input.value = text;
  }

  offer() {
    const text = this.value.toLowerCase(), all = this.offersNow();
    const found = all.filter(({ value }) => value.toLowerCase().includes(text));
    const isWhole = all.some(({ value }) => value.toLowerCase() === text);
    const begins = ({ value }) => Number(value.startsWith(text) || value.includes(`/${text}`));
    const firsts = isWhole ? all : found.sort((one, other) => begins(other) - begins(one));
    this.show(firsts.slice(0, OFFERS_MAX));
  }

  show(offers) {
    this.offers = offers;
    this.list.replaceChildren(...offers.map(({ value, about }, place) => el("li", { role: "option", id: `${this.id}-${place}`,
      "aria-selected": "false", on: { pointerdown: (event) => { event.preventDefault(); this.take(value); } } },
    el("span", { class: "word", text: value }), el("span", { class: "dim", text: about }))));
    this.list.hidden = offers.length === 0;
    this.input.setAttribute("aria-expanded", String(!this.list.hidden));
    this.mark(-1);
  }

  mark(place) {
    this.chosen = place;
    [...this.list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === place)));
    if (place >= 0) this.input.setAttribute("aria-activedescendant", `${this.id}-${place}`);
    else this.input.removeAttribute("aria-activedescendant");
    this.list.children[place]?.scrollIntoView({ block: "nearest" });
  }

  take(value) {
    this.input.value = value;
    this.show([]);
    this.onTake?.();
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key], { length } = this.offers;
    if (this.list.hidden) {
      if (event.key === "ArrowDown") this.offer();
      return;
    }
    if (step) this.mark((this.chosen + step + length + (this.chosen < 0 && step < 0 ? 1 : 0)) % length);
    else if (event.key === "Escape") this.show([]);
    else if (event.key === "Enter" && this.chosen >= 0) this.take(this.offers[this.chosen].value);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
