/** The box of filters: words as chips, one being written, what completes it, and what is wrong. */

import { withoutWord, withWord } from "../model/choice.js";
import { WordError } from "../model/word_values.js";
import { parseWord, wordText } from "../model/words.js";
import { Completion } from "./completion.js";
import { el, icon, setText } from "./dom.js";
import { CLOSE, SEARCH } from "./icons.js";

export class Filters {
  /** @param {import("../app.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    this.chips = el("div", { class: "chips" });
    this.input = el("input", {
      type: "text",
      class: "words",
      role: "combobox",
      spellcheck: "false",
      autocomplete: "off",
      autocapitalize: "off",
      "aria-label": "Filter flows",
      "aria-expanded": "false",
      "aria-autocomplete": "list",
      "aria-controls": "completion",
      "aria-describedby": "filter-problem",
    });
    this.completion = new Completion(this.input, frame, (text) => this.take(text));
    this.problem = el("div", {
      class: "problem",
      id: "filter-problem",
      role: "alert",
      hidden: true,
    });
    this.box = el(
      "div",
      {
        class: "box",
        on: {
          click: (event) => {
            if (event.target === this.box) this.input.focus();
          },
        },
      },
      icon(SEARCH),
      this.chips,
      this.input,
    );
    this.element = el("div", { class: "filters" }, this.box, this.completion.element, this.problem);
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("input", () => this.complain(""));
    document.addEventListener("keydown", (event) => this.slash(event));
  }

  /** `/` begins a word, wherever the focus is. */
  slash(event) {
    if (event.key !== "/" || event.target.matches?.("input, textarea")) return;
    event.preventDefault();
    this.input.focus();
  }

  key(event) {
    const { words } = this.frame.choice;
    if (this.completion.key(event)) return;
    if (event.key === "Enter" && this.input.value.trim()) {
      event.preventDefault();
      this.take(this.input.value);
    } else if (event.key === "Backspace" && !this.input.value && words.length) {
      event.preventDefault();
      this.input.value = wordText(words.at(-1));
      this.frame.go({ words: words.slice(0, -1) });
      this.completion.offer();
    } else if (event.key === "Escape") {
      this.input.value = "";
      this.complain("");
    }
  }

  /** Use a word, or let it be completed when it has no value yet. @param {string} text */
  take(text) {
    if (/^[^=]*=$/.test(text)) {
      this.input.value = text;
      this.completion.offer();
      return;
    }
    try {
      const word = parseWord(text);
      this.input.value = "";
      this.completion.close();
      if (word.name === "namespace" && !word.not) this.addNamespaces(word.value);
      else this.frame.go(withWord(this.frame.choice, word));
    } catch (error) {
      if (!(error instanceof WordError)) throw error;
      this.complain(error.message);
    }
  }

  addNamespaces(value) {
    const { namespaces, isAll } = this.frame.choice;
    const names = value === "*" ? [] : value.split(",");
    this.frame.go({
      isAll: value === "*",
      namespaces: isAll ? names : [...new Set([...namespaces, ...names])],
    });
  }

  /** @param {...string} problems none: all is well */
  complain(...problems) {
    const problem = problems.join("");
    setText(this.problem, problems);
    this.problem.hidden = !problem;
    this.box.classList.toggle("wrong", Boolean(problem));
    this.input.setAttribute("aria-invalid", String(Boolean(problem)));
  }

  show() {
    const { words } = this.frame.choice;
    this.chips.replaceChildren(...words.map((word) => this.chip(word)));
    this.input.placeholder = words.length
      ? ""
      : "Filter: pod=curl-pod, port=80, verdict=dropped, not ip=10.0.0.0/8";
  }

  chip(word) {
    const title = this.frame.titleOf(word);
    return el(
      "span",
      { class: word.not ? "chip not" : "chip", title: wordText(word) },
      word.not && el("span", { class: "not-word", text: "not" }),
      el("span", { class: "word", text: `${word.name}=` }),
      el("span", { class: "value", text: word.value }),
      title && el("span", { class: "dim", text: ` ${title}` }),
      el(
        "button",
        {
          type: "button",
          "aria-label": `Remove ${wordText(word)}`,
          on: { click: () => this.frame.go(withoutWord(this.frame.choice, word)) },
        },
        icon(CLOSE),
      ),
    );
  }
}
