/** A link of the map: a curve from a card to a port of another, its colour what became of its flows. */

import { VERDICTS } from "../model/names.js";
import { route } from "../model/route.js";
import { counted, shortRate } from "../model/text.js";
import { verdictName } from "../model/flow.js";
import { portTitle } from "./card.js";
import { setAttribute, setText, svg } from "./dom.js";

/** In a colour of its own: what is worth a look first. */
export function toneOf(verdicts) {
  const forwarded = verdicts[VERDICTS.FORWARDED] + verdicts[VERDICTS.REDIRECTED];
  if (verdicts[VERDICTS.DROPPED]) return forwarded ? "mixed" : "dropped";
  if (verdicts[VERDICTS.ERROR]) return "error";
  if (verdicts[VERDICTS.AUDIT]) return "audit";
  return forwarded ? "forwarded" : verdicts[VERDICTS.TRANSLATED] ? "translated" : "traced";
}

export class LinkView {
  /**
   * @param {import("../model/links.js").Link} link
   * @param {import("./card.js").CardView} from
   * @param {import("./card.js").CardView} to
   */
  constructor(link, from, to) {
    this.from = from;
    this.to = to;
    this.id = link.id;
    this.protocol = link.protocol;
    this.port = link.port;
    this.line = svg("path", { class: "line" });
    this.pulse = svg("path", { class: "pulse" });
    this.touch = svg("path", { class: "touch" });
    this.hint = svg("title");
    this.element = svg("g", { class: "link" }, this.line, this.pulse, this.touch, this.hint);
    this.show(link);
  }

  /** @param {import("../model/links.js").Link} link */
  show(link) {
    this.verdicts = link.verdicts;
    this.rate = link.rate;
    this.dropRate = link.dropRate;
    this.reason = link.reason;
    this.tone = toneOf(link.verdicts);
    setAttribute(this.element, "class", `link ${this.tone}${link.rate >= 0.05 ? " live" : ""}`);
    this.isStale = true;
  }

  /** What the curve says to who points at it. */
  describe() {
    if (!this.isStale) return;
    this.isStale = false;
    const counts = this.verdicts
      .map((count, verdict) => [count, verdictName(verdict).toLowerCase()])
      .filter(([count]) => count)
      .map(([count, name]) => `${counted(count, "flow")} ${name}`);
    setText(
      this.hint,
      [
        `${this.from.card.title} → ${this.to.card.title}, ${portTitle(this)}`,
        ...counts,
        this.reason && `last drop: ${this.reason}`,
        this.rate >= 0.05 && `${shortRate(this.rate)} flows/s`,
      ].filter(Boolean),
    );
  }

  /** @param {import("../model/route.js").Box[]} boxes all cards @param {import("../model/route.js").Tracks} tracks */
  place(boxes, tracks) {
    const row = this.to.rows.get(`${this.protocol} ${this.port}`);
    const start = { x: this.from.x + this.from.width, y: this.from.y + 23 };
    const path = route(
      start,
      { x: this.to.x - 4, y: this.to.y + (row?.at ?? 23) },
      boxes,
      this.from,
      this.to,
      tracks,
    );
    for (const each of [this.line, this.pulse, this.touch]) each.setAttribute("d", path);
  }
}
