/** Which connection is shown: a pod, whom it asks, by which protocol; "Trace" asks the nodes anew. */

import { el, icon, setText } from "../view/dom.js";
import { placeText } from "./addresses.js";
import { Combobox } from "./combobox.js";
import { isOwn } from "./ground.js";
import { AGAIN } from "./marks.js";

const PROTOCOLS = [["", "any protocol"], ["tcp", "TCP"], ["udp", "UDP"], ["icmp", "ICMP"]];

/** @typedef {{from: string, to: string, over: string}} Question */

export class Chooser {
  /** @param {(question: Question) => void} onAsk */
  constructor(onAsk) {
    this.onAsk = onAsk;
    this.picture = null;
    /** @type {import("./seen.js").Seen[]} */
    this.seen = [];
    this.from = new Combobox({ name: "The pod that opens the connection", placeholder: "pod, as default/curl-pod", offers: () => this.pods(),
      onTake: () => this.to.input.focus() });
    this.to = new Combobox({ name: "The destination", placeholder: "Service, pod or address, as webpod:80", offers: () => this.destinations(),
      onTake: () => this.ask() });
    this.over = el("select", { class: "field over", "aria-label": "Protocol" },
      ...PROTOCOLS.map(([value, text]) => el("option", { value, text })));
    this.button = el("button", { type: "submit", class: "button trace" }, icon(AGAIN), el("span", { text: "Trace" }));
    this.problem = el("div", { class: "problem", role: "alert", hidden: true });
    this.element = el("form", { class: "chooser", "aria-label": "Connection", on: { submit: (event) => { event.preventDefault(); this.ask(); } } },
      this.from.element, el("span", { class: "dim to", text: "→" }), this.to.element, this.over, this.button, this.problem);
  }

  /** @param {Question} question what the address says */
  show({ from, to, over }) {
    for (const [field, text] of [[this.from, from], [this.to, to]]) if (document.activeElement !== field.input) field.value = text;
    this.over.value = PROTOCOLS.some(([value]) => value === over) ? over : "";
  }

  ask() {
    const missing = [this.from, this.to].find((field) => !field.value);
    if (missing) {
      missing.input.focus();
      missing.offer();
      return;
    }
    this.to.input.blur();
    this.onAsk({ from: whole(this.from.value), to: this.to.value, over: this.over.value });
  }

  /** @param {boolean} isBusy */
  wait(isBusy) {
    this.button.classList.toggle("busy", isBusy);
    this.button.disabled = isBusy;
  }

  /** @param {string} problem empty: there is none */
  complain(problem) {
    setText(this.problem, problem);
    this.problem.hidden = !problem;
  }

  pods() {
    return (this.picture?.machines ?? []).flatMap((machine) => machine.pods.filter((pod) => isOwn(pod, machine))
      .map((pod) => ({ value: pod.name, about: machine.name }))).sort(byUse);
  }

  /** Services that flows name, then pods, then what is outside. */
  destinations() {
    const services = new Map();
    for (const { name, destination, protocol } of this.seen) {
      const port = /:(\d+)$/.exec(destination)?.[1] ?? "";
      if (name.startsWith("Service ")) services.set(`${name.slice(8)}:${port}`, `Service, ${protocol}`);
    }
    const { machines = [], internet = [] } = this.picture ?? {};
    const outside = internet.map((address) => ({ value: placeText(address, 80), about: "internet" }));
    const routers = machines.filter(({ role }) => role === "router").flatMap(({ eth1 }) => eth1.slice(0, 1))
      .map((address) => ({ value: placeText(address, 80), about: "router" }));
    return [...[...services].map(([value, about]) => ({ value, about })).sort(byUse), ...this.pods(), ...outside, ...routers];
  }
}

/** Pods of the system's own are rarely meant. */
function byUse(one, other) {
  const system = ({ value }) => Number(value.startsWith("kube-system/"));
  return system(one) - system(other) || (one.value < other.value ? -1 : 1);
}

/** A pod without its namespace is one of "default". */
function whole(name) {
  return name.includes("/") ? name : `default/${name}`;
}
