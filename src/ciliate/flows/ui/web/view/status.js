/** How nodes, relay and stream are: in the header in few words, behind it in full, with remedies. */

import { enumName } from "../flow_api/enums.js";
import { span } from "../model/time.js";
import { counted, grouped, shortRate } from "../model/text.js";
import { el, setText } from "./dom.js";
import { Popover } from "./popover.js";

const ASK_MS = 5000;

export class Status {
  /** @param {import("../app.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    this.server = null;
    /** @type {any[]} */
    this.nodes = [];
    this.error = "";
    this.tickNow = null;
    this.dot = el("span", { class: "dot" });
    this.rate = el("span", { class: "rate" });
    this.label = el("span", { class: "state" });
    this.lost = el("span", { class: "lost" });
    const button = el(
      "button",
      { type: "button", class: "status" },
      this.dot,
      this.label,
      this.rate,
      this.lost,
    );
    this.popover = new Popover(button, { label: "Nodes and flows", onOpen: () => this.draw() });
    this.element = this.popover.element;
  }

  /** Ask every few seconds, for as long as the page is there. */
  async run() {
    for (;;) {
      if (!document.hidden) await this.ask();
      await new Promise((resolve) => setTimeout(resolve, ASK_MS));
    }
  }

  async ask() {
    const { observer } = this.frame;
    try {
      this.server = await observer.ask("ServerStatus");
      const answer = await observer.ask("GetNodes");
      this.nodes = answer.nodes ?? [];
      this.error = "";
    } catch (error) {
      this.error = error.message;
    }
    this.show();
  }

  /** @param {any} tick */
  tick(tick) {
    this.tickNow = tick;
    this.show();
  }

  show() {
    const [level, words] = this.summary();
    this.dot.className = `dot ${level}`;
    setText(this.label, words);
    const lost = (this.tickNow?.losses ?? []).reduce((sum, { count }) => sum + count, 0);
    setText(this.rate, this.tickNow?.total ? `${shortRate(this.tickNow.rate)} flows/s` : "");
    setText(this.lost, lost ? `${grouped(lost)} lost` : "");
    if (this.popover.isOpen) this.redraw();
  }

  summary() {
    const fault = this.tickNow?.state.kind === "fault";
    if (this.error || fault)
      return ["bad", fault && this.tickNow.state.retryMs ? "reconnecting" : "no flows"];
    if (!this.server) return ["", "connecting"];
    const connected = this.server.num_connected_nodes?.value ?? this.nodes.length;
    const away = this.server.num_unavailable_nodes?.value ?? 0;
    return [away ? "warn" : "good", `${connected}/${connected + away} nodes`];
  }

  /** Draw what is open anew, if it says something else. */
  redraw() {
    const { server, nodes, error, tickNow: tick } = this;
    const said = JSON.stringify(
      [server, nodes, error, tick?.state, tick?.total, tick?.losses, tick?.faults],
      (_, value) => (typeof value === "bigint" ? String(value) : value),
    );
    if (said === this.said) return;
    this.said = said;
    this.draw();
  }

  draw() {
    const { server, tickNow: tick } = this;
    const facts = [
      ["Relay", this.error || (server ? server.version || "answers" : "not asked yet")],
      ["Flows/s of the cluster", server ? shortRate(server.flows_rate ?? 0) : ""],
      [
        "Kept by nodes",
        server
          ? `${grouped(Number(server.num_flows ?? 0))} of ${grouped(Number(server.max_flows ?? 0))}`
          : "",
      ],
      ["Taken by this page", tick ? counted(tick.total, "flow") : ""],
    ].filter(([, text]) => text);
    this.popover.panel.replaceChildren(
      ...[
        el(
          "dl",
          { class: "facts" },
          ...facts.map(([name, text]) =>
            el("div", {}, el("dt", { text: name }), el("dd", { text })),
          ),
        ),
        this.streamFault(),
        this.nodeTable(),
        ...this.losses(),
      ].filter(Boolean),
    );
  }

  streamFault() {
    const state = this.tickNow?.state;
    if (state?.kind !== "fault") return null;
    return el("p", {
      class: "fault",
      text: `${state.message}. ${state.retryMs ? "It is asked again." : ""}`,
    });
  }

  nodeTable() {
    const names = new Map(this.nodes.map((node) => [node.name, node]));
    const faults = new Map(
      (this.tickNow?.faults ?? []).map(({ node, message }) => [node, message]),
    );
    for (const name of [...(this.server?.unavailable_nodes ?? []), ...faults.keys()]) {
      if (!names.has(name)) names.set(name, { name, state: 2 });
    }
    if (!names.size) return null;
    return el(
      "ul",
      { class: "nodes" },
      ...[...names.values()].map((node) => this.node(node, faults.get(node.name))),
    );
  }

  node(node, fault) {
    const state = enumName("relay.NodeState", node.state).replace("NODE_", "").toLowerCase();
    const isWell = state === "connected" && !fault;
    const flows = node.max_flows
      ? `${grouped(Number(node.num_flows ?? 0))}/${grouped(Number(node.max_flows))} flows`
      : "";
    const up = node.uptime_ns ? `up ${span(Number(node.uptime_ns) / 1e6)}` : "";
    return el(
      "li",
      {},
      el("span", { class: `dot ${isWell ? "good" : "bad"}` }),
      el("span", { class: "name", text: node.name }),
      el("span", {
        class: "dim",
        text: isWell
          ? [flows, up].filter(Boolean).join(" · ")
          : fault || `${state}: ${node.address ?? ""}`,
      }),
      !isWell &&
        el("span", {
          class: "remedy",
          text: "Is the agent there? kubectl -n kube-system get pod -l k8s-app=cilium -o wide",
        }),
    );
  }

  losses() {
    return (this.tickNow?.losses ?? [])
      .filter(({ count }) => count)
      .map(({ node, where, remedy, count }) =>
        el(
          "p",
          { class: "loss" },
          el("strong", { text: `${counted(count, "event")} lost ${where}` }),
          el("span", { text: `${node ? ` (${node})` : ""}: ${remedy}.` }),
        ),
      );
  }
}
