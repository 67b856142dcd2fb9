/** What a word that is being written may become: names of filters, then values that flows had. */

import { EVENT_TYPES, RESERVED, TRACE_POINTS, VERDICTS } from "../model/names.js";
import { guessWords, WORDS, wordText } from "../model/words.js";
import { el } from "./dom.js";

const OFFERS_MAX = 12;

/** Values that are known without a flow. @type {Record<string, string[]>} */
const FIXED = {
  protocol: ["tcp", "udp", "icmp", "icmpv4", "icmpv6", "sctp", "dns", "http"],
  verdict: Object.keys(VERDICTS).map((name) => name.toLowerCase()),
  type: [
    ...Object.keys(EVENT_TYPES),
    ...TRACE_POINTS.slice(0, 1),
    ...TRACE_POINTS.slice(10, 12),
  ].map((name) => (TRACE_POINTS.includes(name) ? `trace:${name}` : name)),
  "tcp-flags": ["SYN", "SYN,ACK", "FIN", "RST"],
  direction: ["ingress", "egress"],
  "ip-version": ["4", "6"],
  identity: RESERVED.slice(1),
};

export class Completion {
  /**
   * @param {HTMLInputElement} input
   * @param {import("../app.js").Frame} frame
   * @param {(text: string) => void} take
   */
  constructor(input, frame, take) {
    this.input = input;
    this.frame = frame;
    this.take = take;
    this.chosen = -1;
    /** @type {{text: string, about: string}[]} */
    this.offers = [];
    this.element = el("ul", {
      class: "completion",
      id: "completion",
      role: "listbox",
      "aria-label": "Filters",
      hidden: true,
    });
    input.addEventListener("input", () => this.offer());
    input.addEventListener("focus", () => this.offer());
    input.addEventListener("blur", () => this.close());
  }

  /** Whether a key was for the list. @param {KeyboardEvent} event */
  key(event) {
    if (this.element.hidden) {
      if (event.key === "ArrowDown") this.offer();
      return false;
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      this.mark((this.chosen + step + this.offers.length) % this.offers.length);
    } else if (event.key === "Escape") {
      this.close();
    } else if (
      (event.key === "Enter" && this.chosen >= 0) ||
      (event.key === "Tab" && this.input.value && this.offers.length)
    ) {
      this.take(this.offers[Math.max(this.chosen, 0)].text);
    } else {
      return false;
    }
    event.preventDefault();
    return true;
  }

  async offer() {
    const text = this.input.value;
    const not = /^(not[ -]|!|-)\s*/i.exec(text)?.[0] ?? "";
    const bare = text.slice(not.length);
    const equals = bare.indexOf("=");
    const offers =
      equals < 0
        ? this.names(bare.trim())
        : await this.values(bare.slice(0, equals), bare.slice(equals + 1));
    if (this.input.value !== text || document.activeElement !== this.input) return;
    this.show(offers.map((offer) => ({ ...offer, text: (not ? "not " : "") + offer.text })));
  }

  names(text) {
    const named = Object.entries(WORDS)
      .filter(([name]) => name.startsWith(text.toLowerCase()))
      .map(([name, { about }]) => ({ text: `${name}=`, about }));
    const guesses = text
      ? guessWords(text).map((word) => ({ text: wordText(word), about: "" }))
      : [];
    return (
      named.length && text.length < 3 ? [...named, ...guesses] : [...guesses, ...named]
    ).slice(0, OFFERS_MAX);
  }

  async values(name, text) {
    const kind = name.replace(/^(from|to)-/, "");
    const fixed = (FIXED[kind] ?? [])
      .filter((value) => value.toLowerCase().startsWith(text.toLowerCase()))
      .map((value) => ({ value, title: "" }));
    const found = await this.frame.offer(kind, text);
    return [...fixed, ...found]
      .slice(0, OFFERS_MAX)
      .map(({ value, title }) => ({ text: `${name}=${value}`, about: title }));
  }

  show(offers) {
    this.offers = offers;
    this.element.replaceChildren(
      ...offers.map(({ text, about }, place) =>
        el(
          "li",
          {
            role: "option",
            id: `offer-${place}`,
            "aria-selected": "false",
            on: {
              pointerdown: (event) => {
                event.preventDefault();
                this.take(text);
              },
            },
          },
          el("span", { class: "word", text }),
          el("span", { class: "dim", text: about }),
        ),
      ),
    );
    this.element.hidden = offers.length === 0;
    this.input.setAttribute("aria-expanded", String(!this.element.hidden));
    this.mark(-1);
  }

  mark(place) {
    this.chosen = place;
    for (const [at, item] of [...this.element.children].entries()) {
      item.setAttribute("aria-selected", String(at === place));
    }
    if (place >= 0) this.input.setAttribute("aria-activedescendant", `offer-${place}`);
    else this.input.removeAttribute("aria-activedescendant");
    this.element.children[place]?.scrollIntoView({ block: "nearest" });
  }

  close() {
    this.show([]);
  }
}
