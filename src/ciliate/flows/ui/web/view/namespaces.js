/** Which namespaces are shown: one, several, all. */

import { counted, visible } from "../model/text.js";
import { el, icon, setText } from "./dom.js";
import { DOWN } from "./icons.js";
import { Popover } from "./popover.js";

export class Namespaces {
  /** @param {import("../app.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    /** Every cluster has `default`, and a new one flows of it before long. */
    this.known = new Set(["default"]);
    this.text = "";
    this.label = el("span", { class: "picked" });
    const button = el(
      "button",
      { type: "button", class: "picker" },
      el("span", { class: "dim", text: "Namespace" }),
      this.label,
      icon(DOWN),
    );
    this.popover = new Popover(button, {
      label: "Namespaces",
      onOpen: (panel) => this.draw(panel),
    });
    this.element = this.popover.element;
  }

  /** @param {Iterable<string>} names */
  add(names) {
    const before = this.known.size;
    for (const name of names) if (name && this.known.size < 5000) this.known.add(name);
    return this.known.size !== before;
  }

  show() {
    const { isAll, namespaces } = this.frame.choice;
    this.add(namespaces);
    const several =
      namespaces.length > 2 ? counted(namespaces.length, "namespace") : namespaces.join(", ");
    setText(this.label, isAll ? "all" : several || "choose");
    if (this.popover.isOpen) this.list();
  }

  draw(panel) {
    this.text = "";
    const search = el("input", {
      type: "search",
      class: "field",
      placeholder: "Find a namespace",
      "aria-label": "Find a namespace",
      on: {
        input: () => {
          this.text = search.value;
          this.list();
        },
        keydown: (event) => {
          if (event.key === "ArrowDown") {
            event.preventDefault();
            this.boxes.querySelector("input")?.focus();
          }
        },
      },
    });
    this.boxes = el("div", {
      class: "choices",
      role: "group",
      "aria-label": "Namespaces",
      on: { keydown: step },
    });
    panel.replaceChildren(search, this.boxes);
    this.list();
  }

  list() {
    const { isAll, namespaces } = this.frame.choice;
    const found = [...this.known]
      .sort()
      .filter((name) => visible(name).includes(this.text.trim().toLowerCase()));
    const focused = this.boxes.contains(document.activeElement)
      ? document.activeElement.dataset.name
      : null;
    this.boxes.replaceChildren(
      this.box("*", "All namespaces", isAll, () =>
        this.frame.go({ isAll: !isAll, namespaces: [] }),
      ),
      ...found.map((name) =>
        this.box(name, name, !isAll && namespaces.includes(name), (event) =>
          this.turn(name, event),
        ),
      ),
    );
    if (!found.length)
      this.boxes.append(
        el("p", {
          class: "dim note",
          text: "No namespace has this in its name.",
        }),
      );
    if (focused)
      [...this.boxes.querySelectorAll("input")]
        .find((box) => box.dataset.name === focused)
        ?.focus();
  }

  box(name, title, isOn, change) {
    const input = el("input", { type: "checkbox", "data-name": name, on: { change } });
    input.checked = isOn;
    const only =
      name !== "*" &&
      el("button", {
        type: "button",
        class: "only",
        text: "only",
        "aria-label": `only ${title}`,
        on: { click: () => this.frame.go({ isAll: false, namespaces: [name] }) },
      });
    return el(
      "div",
      { class: "choice" },
      el("label", {}, input, el("span", { text: title })),
      only,
    );
  }

  turn(name, event) {
    const { isAll, namespaces } = this.frame.choice;
    const rest = isAll ? [] : namespaces.filter((each) => each !== name);
    this.frame.go({ isAll: false, namespaces: event.target.checked ? [...rest, name] : rest });
  }
}

/** Arrows go through the boxes. */
function step(event) {
  const direction = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!direction) return;
  event.preventDefault();
  const boxes = [...event.currentTarget.querySelectorAll("input")];
  boxes[boxes.indexOf(document.activeElement) + direction]?.focus();
}
