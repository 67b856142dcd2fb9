/** The bar below the picture: to the hop before, on, or all of them one after another; and the packet's header now. */

import { el, icon, setText } from "../view/dom.js";
import { BACK, FORTH, PAUSE, PLAY } from "./marks.js";

export class Player {
  /** @param {{onTurn: () => void, onStep: (by: number) => void}} calls */
  constructor(calls) {
    const button = (path, name, click) => el("button", { type: "button", class: "icon-button", "aria-label": name, title: name, on: { click } }, icon(path));
    this.back = button(BACK, "The hop before (←)", () => calls.onStep(-1));
    this.turn = button(PLAY, "Play (space)", calls.onTurn);
    this.forth = button(FORTH, "The next hop (→)", () => calls.onStep(1));
    this.count = el("span", { class: "count" });
    this.packet = el("span", { class: "packet-name" });
    this.source = el("span", { class: "address" });
    this.destination = el("span", { class: "address" });
    this.header = el("span", { class: "header", "aria-live": "polite" }, this.packet, this.source, el("span", { class: "dim", text: "→" }), this.destination);
    this.element = el("div", { class: "player", role: "toolbar", "aria-label": "Hops", hidden: true }, this.back, this.turn, this.forth, this.count,
      this.header);
    this.turn.classList.add("turn");
  }

  /** @param {import("./way.js").Journey | null} journey @param {number} number @param {boolean} isPlaying */
  show(journey, number, isPlaying) {
    this.element.hidden = !journey?.steps.length;
    if (!journey) return;
    const name = isPlaying ? "Pause (space)" : "Play (space)";
    this.turn.replaceChildren(icon(isPlaying ? PAUSE : PLAY));
    this.turn.setAttribute("aria-label", name);
    this.turn.title = name;
    this.turn.classList.toggle("on", isPlaying);
    this.back.disabled = number <= 1;
    this.forth.disabled = number >= journey.steps.length;
    setText(this.count, `${number || "–"} / ${journey.steps.length}`);
    const step = journey.steps[number - 1];
    this.header.hidden = !step;
    if (step) this.showHeader(step, journey.packets[step.packet]);
  }

  showHeader(step, packet) {
    setText(this.packet, packet.isCall ? "socket's call" : packet.title);
    this.packet.dataset.direction = packet.direction;
    for (const side of ["source", "destination"]) {
      setText(this[side], step.header[side]);
      this[side].classList.toggle("changed", step.changes.some((change) => change.side === side));
    }
  }
}
