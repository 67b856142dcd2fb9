/** The ways that nodes still know between two, the newest first; one of them is shown. */

import { el } from "../view/dom.js";
import { placeText } from "./addresses.js";
import { fitted, parted } from "./marks.js";
import { outcomeOf } from "./outcome.js";
import { beganText } from "./steps.js";

export class Ways {
  /** @param {(began: string) => void} onWay */
  constructor(onWay) {
    this.onWay = onWay;
    this.element = el("div", { class: "ways", role: "listbox", "aria-label": "Connections, the newest first", hidden: true });
    this.element.addEventListener("click", (event) => this.take(event.target.closest(".way")));
    this.element.addEventListener("keydown", (event) => this.key(event));
  }

  /** @param {any[]} ways the newest first @param {any} chosen */
  show(ways, chosen) {
    this.element.hidden = ways.length === 0;
    if (ways !== this.ways) this.element.replaceChildren(...ways.map((way) => row(way)));
    this.ways = ways;
    for (const element of this.element.children) {
      const isChosen = element.dataset.began === chosen?.began;
      element.setAttribute("aria-selected", String(isChosen));
      element.tabIndex = isChosen ? 0 : -1;
      if (isChosen) element.scrollIntoView({ block: "nearest" });
    }
  }

  take(element) {
    if (element && element.getAttribute("aria-selected") !== "true") this.onWay(element.dataset.began);
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key], row = event.target.closest(".way");
    if (!step || !row) return;
    event.preventDefault();
    event.stopPropagation();
    const next = step > 0 ? row.nextElementSibling : row.previousElementSibling;
    next?.focus();
    this.take(next);
  }
}

function row(way) {
  const outcome = outcomeOf(way), end = way.backend ?? way.destination;
  const [, name] = parted((end.name ?? "").replace(/^Service /, ""));
  const to = !name || name === "world" ? placeText(end.address, end.port) : fitted(name, 20);
  return el("div", { class: "way", role: "option", "data-began": way.began, "aria-selected": "false" },
    el("span", { class: "time", text: beganText(way.began) }),
    el("span", { class: "from", text: way.source.port ? `:${way.source.port}` : way.protocol }),
    el("span", { class: "dim", text: "→" }), el("span", { class: "to", text: to, title: end.name }),
    el("span", { class: "outcome", "data-outcome": outcome, text: outcome }));
}
