/** The lab: its picture, and a connection's way drawn over it hop by hop. What is shown stands in the address. */

import { visible } from "../model/text.js";
import { el, setText } from "../view/dom.js";
import { Chooser } from "./chooser.js";
import { Drawing } from "./drawing.js";
import { askWays, LabError } from "./lab_api.js";
import { Lately } from "./lately.js";
import { Lookout } from "./lookout.js";
import { PictureView } from "./picture.js";
import { isStill, Playback } from "./playback.js";
import { Player } from "./player.js";
import { questionOf } from "./seen.js";
import { Steps } from "./steps.js";
import { journeyOf } from "./way.js";
import { Ways } from "./ways.js";
import { wishesOf } from "./wishes.js";

export const LAB = "lab";
/** What the address says of this view: who asks whom by which protocol, which of their ways, how far. */
const NOTHING = { from: "", to: "", over: "", way: "", step: "" };

export class LabView {
  static title = "Lab";

  /** @param {import("../app.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    this.own = NOTHING;
    this.asked = this.problem = this.latelyProblem = "";
    this.isAsking = this.isNews = false;
    /** @type {any[]} the newest first */
    this.ways = [];
    /** @type {import("./seen.js").Seen[]} */
    this.seen = [];
    this.picture = this.way = this.journey = null;
    this.makeParts();
    addEventListener("keydown", (event) => this.key(event));
  }

  makeParts() {
    this.chooser = new Chooser((question) => this.choose(question));
    this.drawing = new Drawing();
    this.map = new PictureView({ onPod: (name) => this.takePod(name), onStep: (number) => this.goStep(number), onLayout: () => this.laidOut() });
    this.map.over.append(this.drawing.element);
    this.playback = new Playback(this.drawing, { onStep: (number) => this.setStep(number), onTurn: () => this.showPlayer() });
    this.player = new Player({ onTurn: () => this.turn(), onStep: (by) => this.goStep(this.number + by) });
    this.list = new Ways((began) => this.change({ way: began, step: "" }));
    this.steps = new Steps((number) => this.goStep(number));
    this.lately = new Lately(({ pod, destination, name, protocol }) => this.choose({ from: pod, to: asked(name, destination), over: protocol }));
    this.note = el("p", { class: "note", role: "status", hidden: true });
    const side = el("aside", { class: "lab-side", "aria-label": "The way, hop by hop" }, this.list.element, this.note, this.steps.element, this.lately.element);
    this.element = el("div", { class: "view lab" }, el("div", { class: "filter-bar" }, this.chooser.element),
      el("div", { class: "lab-panes" }, el("div", { class: "lab-main" }, this.map.element, this.player.element), side));
    this.lookout = new Lookout(this.frame.observer, { isSeen: () => this.element.isConnected,
      wantsLately: () => !this.lately.element.hidden || !this.seen.length, onPicture: (picture) => this.takePicture(picture),
      onLately: (seen, problem) => this.takeLately(seen, problem), onProblem: (problem) => this.chooser.complain(problem) });
  }

  /** The step that is shown; 0: none, the whole way is. */
  get number() {
    const number = Number(this.own.step), most = this.journey?.steps.length ?? 0;
    return Number.isInteger(number) && number >= 1 ? Math.min(number, most) : 0;
  }

  /** @param {any} choice of the page; `own` is what another view than that of flows has in the address */
  show(choice) {
    this.own = { ...NOTHING, ...choice.own };
    this.chooser.show(this.own);
    const { from, to, over } = this.own, question = from && to ? JSON.stringify({ from, to, over }) : "";
    if (question !== this.asked) this.ask(question);
    else this.showWay();
    document.title = `${from && to ? visible(`${from} → ${to}`) : "lab"} · Ciliate`;
    this.lookout.look();
  }

  /** Write what changed into the address. @param {Partial<typeof NOTHING>} change @param {boolean} [isStep] no entry of its own in the history */
  change(change, isStep = false) {
    this.frame.go({ own: { ...this.own, ...change } }, { replace: isStep });
  }

  /** @param {import("./chooser.js").Question} question */
  choose(question) {
    const isSame = JSON.stringify(question) === this.asked;
    this.change({ ...question, way: "", step: "" });
    if (isSame) this.ask(this.asked);
  }

  /** A click on a pod says who opens the connection, the next one whom it asks. */
  takePod(name) {
    const { from, to } = this.own;
    if (!from || to) this.change({ ...NOTHING, from: name });
    else if (from === name) this.change(NOTHING);
    else this.choose({ from, to: name, over: "" });
  }

  /** @param {string} question empty: none */
  async ask(question) {
    this.asked = question;
    this.playback.stop();
    Object.assign(this, { ways: [], problem: "", silent: {}, isAsking: Boolean(question), isNews: Boolean(question) });
    this.chooser.wait(this.isAsking);
    this.showWay();
    if (!question) return;
    try {
      const { from, to, over } = JSON.parse(question), { ways, silent } = await askWays({ pod: from, destination: to, protocol: over });
      if (question !== this.asked) return;
      Object.assign(this, { ways: ways.reverse(), silent });
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      if (question !== this.asked) return;
      this.problem = error.message;
    }
    this.isAsking = false;
    this.chooser.wait(false);
    this.showWay();
  }

  /** Show the way that the address names, by when it began or by its port; else the newest. */
  showWay() {
    const { way } = this.own, port = /^port:(\d+)$/.exec(way)?.[1];
    const chosen = this.ways.find((each) => each.began === way || (port && String(each.source.port) === port)) ?? this.ways[0] ?? null;
    if (chosen !== this.way || (chosen && !this.journey)) {
      this.playback.stop();
      this.way = chosen;
      this.journey = chosen && this.picture ? journeyOf(chosen, this.picture) : null;
    }
    this.list.show(this.ways, chosen);
    this.tell();
    if (this.picture) this.map.show(this.picture, wishesOf(this.journey, [chosen?.pod, this.own.from]));
    this.redraw();
    if (this.journey && this.isNews) this.begin();
  }

  /** Play a way that was asked for, once, unless the address says which hop is shown. */
  begin() {
    this.isNews = false;
    if (!this.number && !isStill()) this.turn();
  }

  takePicture(picture) {
    this.picture = picture;
    this.chooser.picture = picture;
    this.chooser.complain("");
    if (this.way && !this.journey) this.showWay();
    this.map.show(picture, this.map.picture ? undefined : wishesOf(this.journey, [this.own.from]));
  }

  takeLately(seen, problem) {
    this.seen = this.chooser.seen = seen;
    this.latelyProblem = problem;
    this.tell();
  }

  laidOut() {
    this.revealed = "";
    this.redraw();
  }

  redraw() {
    const { journey, number } = this, pods = journey?.stations.filter(({ kind }) => kind === "pod").map(({ name }) => name);
    this.map.light(new Set(pods), this.own.to ? "" : this.own.from);
    this.drawing.show(journey, this.map.layout, number);
    this.steps.show(journey, number);
    this.showPlayer();
    this.reveal();
  }

  showPlayer() {
    this.player.show(this.journey, this.number, this.playback.isOn);
  }

  /** Have the picture show where the packet is, each time that it goes on. */
  reveal() {
    const leg = this.drawing.legOf(this.number || 1), key = JSON.stringify(leg);
    if (!leg.length || key === this.revealed) return;
    this.revealed = key;
    this.map.reveal(leg);
  }

  /** Say what is not to be seen in the picture. */
  tell() {
    const { asked: question, ways, own: { from, to }, problem } = this;
    const silent = Object.entries(this.silent ?? {}).map(([node, why]) => `${node} tells nothing: ${why}`);
    const nothing = question && !ways.length && `No node knows a connection from ${from} to ${to} now: let the pod open one, then press Trace.`;
    const text = this.isAsking ? "Asking all nodes …" : problem || [...silent, ...(nothing ? [nothing] : [])].join("\n");
    setText(this.note, text);
    this.note.hidden = !text;
    this.note.classList.toggle("fault", Boolean(problem));
    this.lately.element.hidden = this.isAsking || ways.length > 0;
    this.lately.show(this.seen, from, this.latelyProblem);
  }

  /** @param {number} number */
  goStep(number) {
    const step = this.journey?.steps[number - 1];
    if (!step) return;
    this.playback.stop();
    this.setStep(number);
    this.drawing.travel(this.drawing.legOf(number), this.journey.packets[step.packet].direction);
  }

  setStep(number) {
    this.change({ way: this.way.began, step: String(number) }, true);
  }

  turn() {
    if (this.playback.isOn) this.playback.stop();
    else this.playback.play(this.journey, this.number);
  }

  key(event) {
    if (!this.element.isConnected || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!this.journey || event.target.closest?.("input, select, textarea, .map-tools")) return;
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) this.goStep(this.number + by);
    else if (event.key === " " && !event.target.closest?.("button")) this.turn();
    else if (event.key === "Escape") this.change({ step: "" }, true);
    else return;
    event.preventDefault();
  }

  /** What this view can do with a flow that somebody looks at; null: no pod opened its connection. @param {any} flow */
  static actionOf(flow) {
    const question = questionOf(flow);
    return question && { text: "Show in the lab", change: { view: LAB, own: { ...NOTHING, ...question } } };
  }
}

/** What to ask for a destination that flows named: a Service by its name, since its address says nothing. */
function asked(name, destination) {
  return name.startsWith("Service ") ? `${name.slice(8)}${/:\d+$/.exec(destination)?.[0] ?? ""}` : destination;
}
