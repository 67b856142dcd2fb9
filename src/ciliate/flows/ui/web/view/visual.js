/** What is hidden of the map and the table: what talks to everybody, and which verdicts are shown. */

import { SPECIALS } from "../model/cards.js";
import { VERDICTS } from "../model/names.js";
import { grouped } from "../model/text.js";
import { el, icon, setText } from "./dom.js";
import { EYE } from "./icons.js";
import { Popover } from "./popover.js";

/** A switch for each that a cluster's operator looks for; others by the box. */
const SHOWN = {
  forwarded: "Forwarded",
  dropped: "Dropped",
  audit: "Audit",
  error: "Error",
  traced: "Traced",
  translated: "Translated",
};

export class Visual {
  /** @param {import("../app.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    this.label = el("span", {});
    const button = el("button", { type: "button", class: "picker" }, icon(EYE), this.label);
    this.popover = new Popover(button, { label: "What is shown", onOpen: () => this.draw() });
    this.element = this.popover.element;
  }

  show() {
    const { hidden } = this.frame.choice;
    setText(this.label, hidden.length ? `${hidden.length} hidden` : "Show");
    if (this.popover.isOpen) this.draw();
  }

  draw() {
    const focused = document.activeElement?.dataset?.name;
    this.popover.panel.replaceChildren(
      el("p", { class: "note dim", text: "Shown in map and table:" }),
      ...Object.entries(SPECIALS).map(([name, { title }]) => this.box(name, title)),
    );
    if (focused)
      [...this.popover.panel.querySelectorAll("input")]
        .find((box) => box.dataset.name === focused)
        ?.focus();
  }

  box(name, title) {
    const { hidden } = this.frame.choice;
    const input = el("input", {
      type: "checkbox",
      "data-name": name,
      on: {
        change: () => {
          const rest = hidden.filter((each) => each !== name);
          this.frame.go({ hidden: input.checked ? rest : [...rest, name] });
        },
      },
    });
    input.checked = !hidden.includes(name);
    return el("div", { class: "choice" }, el("label", {}, input, el("span", { text: title })));
  }
}

/** Switches for verdicts, with how many flows had each. */
export class Verdicts {
  /** @param {import("../app.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    /** @type {Record<string, {button: HTMLElement, count: HTMLElement}>} */
    this.switches = {};
    this.element = el("div", { class: "verdicts", role: "group", "aria-label": "Verdicts" });
    for (const [name, title] of Object.entries(SHOWN)) {
      const count = el("span", { class: "count" });
      const button = el(
        "button",
        {
          type: "button",
          class: `verdict-switch ${name}`,
          "aria-pressed": "false",
          on: { click: () => this.turn(name) },
        },
        el("span", { class: "dot" }),
        el("span", { text: title }),
        count,
      );
      this.switches[name] = { button, count };
      this.element.append(button);
    }
  }

  /** The verdicts that a choice names. */
  named() {
    return this.frame.choice.words
      .filter((word) => word.name === "verdict" && !word.not)
      .flatMap((word) => word.value.split(","));
  }

  turn(name) {
    const named = this.named();
    const after = named.includes(name) ? named.filter((each) => each !== name) : [...named, name];
    const words = this.frame.choice.words.filter((word) => word.name !== "verdict" || word.not);
    if (after.length) words.push({ name: "verdict", value: after.join(","), not: false });
    this.frame.go({ words });
  }

  show() {
    const named = this.named();
    for (const [name, { button }] of Object.entries(this.switches)) {
      button.setAttribute("aria-pressed", String(named.includes(name)));
    }
  }

  /** @param {number[]} counts by verdict */
  tick(counts) {
    for (const [name, { button, count }] of Object.entries(this.switches)) {
      const number = counts[VERDICTS[name.toUpperCase()]] ?? 0;
      setText(count, number ? grouped(number) : "");
      button.classList.toggle("none", number === 0);
    }
  }
}
