/** The page: header, the view that the address names, and the worker that reads flows. */

import { Observer } from "./flow_api/observer.js";
import { FLOWS, readChoice, writeChoice } from "./model/choice.js";
import { visible } from "./model/text.js";
import { el, iconButton, icon } from "./view/dom.js";
import { FlowsView } from "./view/flows.js";
import { DARK, LIGHT } from "./view/icons.js";
import { Namespaces } from "./view/namespaces.js";
import { Status } from "./view/status.js";
import { FURTHER } from "./view/further.js";
import { theme, turnTheme } from "./view/theme.js";

/** Views by their names in the address. @type {Record<string, any>} */
const VIEWS = { [FLOWS]: FlowsView, ...FURTHER };
const NAMESPACES_MS = 15_000;

/** What views have in common: what is chosen, whom they ask. */
export class Frame {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.observer = new Observer(new URL("./", document.baseURI));
    this.worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.worker.addEventListener("message", ({ data }) => this.hear(data));
    /** @type {Map<number, (values: any[]) => void>} */
    this.tickets = new Map();
    this.ticket = 0;
    /** @type {Map<string, string>} identity -> name of its card */
    this.titles = new Map();
    this.namespaces = new Namespaces(this);
    this.status = new Status(this);
    this.views = {};
    this.place = el("main", {});
    root.replaceChildren(this.header(), this.place);
    addEventListener("popstate", () => this.read());
    this.read();
    this.status.run();
    this.learnNamespaces();
  }

  header() {
    const names = Object.entries(VIEWS);
    const tabs = el(
      "nav",
      { "aria-label": "Views", hidden: names.length < 2 },
      ...names.map(([name, view]) =>
        el("button", {
          type: "button",
          class: "tab",
          "data-view": name,
          text: view.title,
          on: { click: () => this.go({ view: name }) },
        }),
      ),
    );
    const turn = iconButton(theme() === "dark" ? LIGHT : DARK, "Dark or light", () => {
      turnTheme();
      turn.replaceChildren(icon(theme() === "dark" ? LIGHT : DARK));
    });
    this.tabs = tabs;
    return el(
      "header",
      { class: "frame" },
      el(
        "h1",
        {},
        mark(),
        el("span", { text: "Ciliate" }),
        el("span", { class: "dim", text: "flows" }),
      ),
      tabs,
      el("span", { class: "gap" }),
      this.status.element,
      turn,
    );
  }

  /** Show what the address says. */
  read() {
    const { choice, problems } = readChoice(location.search);
    if (!Object.hasOwn(VIEWS, choice.view)) choice.view = FLOWS;
    this.apply(choice);
    if (problems.length) this.view.filters?.complain(...problems);
  }

  /** Choose something else: it gets an address of its own. @param {Partial<import("./model/choice.js").Choice>} change */
  go(change, { replace = false } = {}) {
    const choice = { ...this.choice, ...change };
    history[replace ? "replaceState" : "pushState"](
      null,
      "",
      writeChoice(choice) || location.pathname,
    );
    this.apply(choice);
  }

  apply(choice) {
    this.choice = choice;
    this.views[choice.view] ??= new VIEWS[choice.view](this);
    const view = this.views[choice.view];
    if (this.view !== view) {
      this.place.replaceChildren(view.element);
      this.view = view;
    }
    for (const tab of this.tabs.children)
      tab.setAttribute("aria-current", tab.dataset.view === choice.view ? "page" : "false");
    const { isAll, namespaces } = choice;
    document.title = visible(
      `${isAll ? "all namespaces" : namespaces.join(", ") || "flows"} · Ciliate`,
    );
    view.show(choice);
  }

  /** What other views can do with a flow. @returns {{text: string, change: any}[]} */
  actionsOf(flow) {
    return Object.values(VIEWS)
      .map((view) => view.actionOf?.(flow))
      .filter(Boolean);
  }

  /** Tell the worker something. @param {string} order @param {any} details */
  order(order, details) {
    this.worker.postMessage({ order, ...details });
  }

  hear(message) {
    if (message.kind === "tick") {
      for (const card of message.cards)
        if (card.identity) this.titles.set(String(card.identity), card.title);
      this.status.tick(message);
      this.view.tick?.(message);
    } else if (message.kind === "details") {
      this.view.showDetails?.(message);
    } else if (message.kind === "offer") {
      this.tickets.get(message.ticket)?.(message.values);
      this.tickets.delete(message.ticket);
    }
  }

  /** Values of flows that a text may be the beginning of. @returns {Promise<{value: string, title: string}[]>} */
  offer(name, text) {
    if (name === "namespace") {
      return Promise.resolve(
        [...this.namespaces.known]
          .filter((each) => each.includes(text))
          .sort()
          .slice(0, 12)
          .map((value) => ({ value, title: "" })),
      );
    }
    this.ticket += 1;
    const { ticket } = this;
    this.order("offer", { name, text, ticket });
    return new Promise((resolve) => this.tickets.set(ticket, resolve));
  }

  /** Who an identity is, of whose number nobody knows it. */
  titleOf(word) {
    return /identity$/.test(word.name) ? (this.titles.get(word.value) ?? "") : "";
  }

  async learnNamespaces() {
    for (;;) {
      try {
        const { namespaces = [] } = await this.observer.ask("GetNamespaces");
        if (this.namespaces.add(namespaces.map((each) => each.namespace))) {
          this.namespaces.show();
          this.view.show(this.choice);
        }
      } catch {
        // How the relay is, the status says.
      }
      await new Promise((resolve) =>
        setTimeout(resolve, this.namespaces.known.size ? NAMESPACES_MS : 2000),
      );
    }
  }
}

function mark() {
  const sign = icon(
    "M8 2v3.5M8 10.5V14M2 8h3.5M10.5 8H14M3.8 3.8l2.4 2.4M9.8 9.8l2.4 2.4M12.2 3.8 9.8 6.2M6.2 9.8l-2.4 2.4",
  );
  sign.classList.add("mark");
  return sign;
}

new Frame(document.getElementById("page"));
