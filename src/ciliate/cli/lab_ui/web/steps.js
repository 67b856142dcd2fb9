/** A journey in words, at the side: its packets, their hops, why it ended, and what else there is to say. */

import { counted } from "../model/text.js";
import { timeOfDay } from "../model/time.js";
import { el } from "../view/dom.js";
import { placeText } from "./addresses.js";
import { fitted } from "./marks.js";

const NAME_MAX = 34;
const ARROWS = { request: "→", reply: "←" };
/** Names of those who have none of their own. */
const NOBODIES = new Set(["world", "world-ipv4", "world-ipv6", "unknown"]);
const SIDES = { source: "source", destination: "destination" };

export class Steps {
  /** @param {(number: number) => void} onStep */
  constructor(onStep) {
    this.onStep = onStep;
    this.journey = null;
    this.element = el("div", { class: "steps" });
    this.element.addEventListener("click", (event) => {
      const row = event.target.closest(".step");
      if (row && !getSelection()?.toString()) this.onStep(Number(row.dataset.step));
    });
  }

  /** @param {import("./way.js").Journey | null} journey @param {number} number */
  show(journey, number) {
    if (journey !== this.journey) {
      this.journey = journey;
      this.rows = [];
      this.element.replaceChildren(...(journey ? this.parts(journey) : []));
      this.element.scrollTop = 0;
    }
    for (const row of this.rows ?? []) {
      const isNow = row.dataset.step === String(number);
      row.classList.toggle("now", isNow);
      row.setAttribute("aria-current", isNow ? "step" : "false");
      if (isNow) reveal(row);
    }
  }

  parts(journey) {
    const { way } = journey, { backend } = way;
    return [
      el("dl", { class: "ends" }, endRow("From", sourceOf(way)), endRow("To", way.destination), backend && endRow("Backend", backend)),
      ...journey.packets.map((packet) => this.packet(packet)),
      journey.rest > 0 && el("p", { class: "remark" }, ...worded(`${counted(journey.rest, "packet")} more, which are not drawn: \`ciliate trace --all-packets\` shows them`)),
      ...(way.remarks ?? []).map((text) => el("p", { class: "remark" }, ...worded(text))),
    ].filter(Boolean);
  }

  packet(packet) {
    const title = packet.isCall ? (packet.direction === "reply" ? "the socket's peer" : "the socket's call") : packet.title;
    return el("section", { class: `hops ${packet.direction}` },
      el("h3", {}, el("span", { class: "direction", text: ARROWS[packet.direction] }), el("span", { text: title })),
      el("ol", {}, ...packet.steps.map((step) => this.step(step))),
      packet.same.length > 0 && el("p", { class: "same", text: `The same way: ${sameText(packet.same)}` }));
  }

  step(step) {
    const { hop, changes, cause, number } = step, verdict = hop.verdict.toLowerCase();
    const kind = cause ? "dropped" : changes.length ? "translated" : "plain";
    const row = el("button", { type: "button", class: `step ${kind}`, "data-step": number, "aria-label": `Hop ${number}` },
      el("span", { class: "number", text: number }),
      el("span", { class: "body" },
        el("span", { class: "where" }, el("span", { class: "node", text: hop.node }), el("span", { class: "point", text: hop.point }),
          el("span", { class: "verdict", "data-verdict": verdict, text: verdict }),
          el("time", { text: elapsed(hop.time_ms), title: hop.time })),
        el("span", { class: "text" }, el("span", { text: hop.text }), hop.device && el("span", { class: "device", text: hop.device })),
        ...changes.map(({ side, from, to }) => el("span", { class: "change" }, el("span", { class: "dim", text: SIDES[side] }),
          el("del", { text: from }), el("span", { class: "arrow", text: "→" }), el("ins", { text: to })))));
    this.rows.push(row);
    return el("li", {}, row, cause && causeParts(cause));
  }
}

/** A pod that sends from an address that is not its own is the one to be named. */
function sourceOf({ pod, source }) {
  return source.name === pod ? source : { ...source, name: pod };
}

function endRow(title, { address, port, name: given = "" }) {
  const name = NOBODIES.has(given) ? "" : given.replace(/^Service /, "");
  return el("div", {}, el("dt", { text: title }), el("dd", {}, name && el("span", { class: "name", text: fitted(name, NAME_MAX), title: name }),
    el("span", { class: "address", text: placeText(address, port) })));
}

function causeParts({ why, behind, remedy, file, line }) {
  const part = (title, text) => text && el("div", {}, el("dt", { text: title }), el("dd", {}, ...worded(text)));
  return el("dl", { class: "cause" }, part("Why", `${why}${file ? ` (${file}:${line})` : ""}`), part("Behind it", behind), part("Remedy", remedy));
}

/** What stands between backticks is code. @param {string} text */
function worded(text) {
  return text.split("`").map((part, at) => el(at % 2 ? "code" : "span", { text: part }));
}

/** @param {string[]} titles */
function sameText(titles) {
  const counts = new Map();
  for (const title of titles) counts.set(title, (counts.get(title) ?? 0) + 1);
  return [...counts].map(([title, count]) => (count > 1 ? `${title} (${counted(count, "time")})` : title)).join("; ");
}

/** @param {number} ms */
function elapsed(ms) {
  return `+${ms < 100 ? ms.toFixed(3) : ms.toFixed(1)} ms`;
}

/** When a connection began, where the browser is. @param {string} began RFC 3339 */
export function beganText(began) {
  return timeOfDay(new Date(began).getTime());
}

function reveal(row) {
  const list = row.closest(".steps");
  if (!list) return;
  const { top, bottom } = row.getBoundingClientRect(), room = list.getBoundingClientRect();
  if (top < room.top + 8 || bottom > room.bottom - 8) row.scrollIntoView({ block: "center" });
}

