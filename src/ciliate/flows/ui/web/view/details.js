/** All of a flow, at the side: each value is a filter, or one turned round. */

import { connectionWord, groupsOf, plain } from "../model/fields.js";
import { withWord } from "../model/choice.js";
import { verdictName } from "../model/flow.js";
import { el, iconButton } from "./dom.js";
import { CLOSE, MINUS, PLUS } from "./icons.js";

export class Details {
  /** @param {import("../app.js").Frame} frame @param {() => void} onClose */
  constructor(frame, onClose) {
    this.frame = frame;
    this.onClose = onClose;
    this.element = el("aside", {
      class: "details",
      "aria-label": "Details of a flow",
      tabindex: -1,
      hidden: true,
      on: {
        keydown: (event) => {
          if (event.key === "Escape") this.close();
        },
      },
    });
  }

  close() {
    if (this.element.hidden) return;
    this.element.hidden = true;
    this.onClose();
  }

  /** @param {{row: any, flow: any} | null} found null: it is not kept any more */
  show(found) {
    this.element.hidden = false;
    const head = (title) =>
      el(
        "header",
        {},
        title,
        iconButton(CLOSE, "Close details", () => this.close()),
      );
    if (!found) {
      this.element.replaceChildren(
        head(el("h2", { text: "This flow is gone" })),
        el("p", {
          class: "note dim",
          text: "The page keeps the newest 10,000 flows; newer ones took its place.",
        }),
      );
      return;
    }
    const { flow } = found;
    const connection = connectionWord(flow);
    const verdict = verdictName(flow.verdict ?? 0);
    const badge = el("span", {
      class: "badge",
      "data-verdict": verdict.toLowerCase(),
      text: verdict.toLowerCase(),
    });
    const actions = el(
      "div",
      { class: "actions" },
      connection &&
        el("button", {
          type: "button",
          class: "button",
          text: "This connection",
          on: { click: () => this.frame.go(withWord(this.frame.choice, connection)) },
        }),
      ...this.frame.actionsOf(flow).map(({ text, change }) =>
        el("button", {
          type: "button",
          class: "button",
          text,
          on: { click: () => this.frame.go(change) },
        }),
      ),
      el(
        "button",
        {
          type: "button",
          class: "button",
          on: { click: (event) => copy(event.currentTarget, flow) },
        },
        "Copy JSON",
      ),
    );
    this.element.replaceChildren(
      head(el("h2", {}, badge, el("span", { text: titleOf(flow) }))),
      actions,
      ...groupsOf(flow).map((group) => this.group(group)),
    );
    this.element.scrollTop = 0;
  }

  group({ title, fields }) {
    return el(
      "section",
      {},
      title && el("h3", { text: title }),
      el("dl", {}, ...fields.map((field) => this.field(field))),
    );
  }

  field({ name, text, word, title }) {
    const filter = (not) => () => this.frame.go(withWord(this.frame.choice, { ...word, not }));
    return el(
      "div",
      { class: "field-row" },
      el("dt", { text: name }),
      el(
        "dd",
        {},
        el("span", { class: "text", text, title: title ?? text }),
        word &&
          el(
            "span",
            { class: "turns" },
            iconButton(PLUS, `Only ${word.name}=${word.value}`, filter(false)),
            iconButton(MINUS, `Not ${word.name}=${word.value}`, filter(true)),
          ),
      ),
    );
  }
}

function titleOf(flow) {
  const name = (end, ip) => end?.pod_name ?? ip ?? "?";
  return `${name(flow.source, flow.IP?.source)} → ${name(flow.destination, flow.IP?.destination)}`;
}

async function copy(button, flow) {
  const text = JSON.stringify(plain("flow.Flow", flow), null, 2);
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // Without HTTPS a browser lets no page write there: the text is shown to be copied by hand.
    const area = el("textarea", {
      class: "field json",
      readonly: true,
      rows: 12,
      "aria-label": "The flow as JSON",
    });
    area.value = text;
    button.parentElement.after(area);
    area.select();
  }
}
