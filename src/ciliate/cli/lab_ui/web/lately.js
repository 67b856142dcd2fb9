/** What there is to choose when no connection is chosen: those that flows told of lately. */

import { call } from "../flow_api/grpc_web.js";
import { answersOf } from "../flow_api/answers.js";
import { write } from "../flow_api/wire_writer.js";
import { blankRow, fillRow } from "../model/flow.js";
import { timeOfDay } from "../model/time.js";
import { el } from "../view/dom.js";
import { connectionsOf } from "./seen.js";

/** Of each node, its newest. */
const FLOWS = 400;
const SHOWN_MAX = 60, READ_MS = 10_000;

/** The connections of the flows that nodes have kept. @param {import("../flow_api/observer.js").Observer} observer */
export async function readLately(observer) {
  const rows = [], request = write("observer.GetFlowsRequest", { number: FLOWS });
  for await (const octets of call(observer.url("GetFlows"), request, AbortSignal.timeout(READ_MS), () => {})) {
    for (const { flow } of answersOf(octets)) {
      if (!flow) continue;
      const row = blankRow();
      fillRow(row, octets, flow[0], flow[1]);
      rows.push(row);
    }
  }
  return connectionsOf(rows);
}

export class Lately {
  /** @param {(seen: import("./seen.js").Seen) => void} onTake */
  constructor(onTake) {
    this.element = el("div", { class: "lately" });
    this.onTake = onTake;
  }

  /** @param {import("./seen.js").Seen[]} seen @param {string} pod only of this one; empty: all @param {string} problem */
  show(seen, pod, problem) {
    const found = seen.filter((each) => !pod || each.pod === pod), key = JSON.stringify([found, pod, problem]);
    if (key === this.key) return;
    this.key = key;
    const isSystem = (each) => each.pod.startsWith("kube-system/");
    const ordered = [...found.filter((each) => !isSystem(each)), ...found.filter(isSystem)].slice(0, SHOWN_MAX);
    this.element.replaceChildren(
      el("h2", { text: pod ? `Connections of ${pod}` : "Connections lately" }),
      el("p", { class: "dim", text: hint(pod) }),
      ...(problem ? [el("p", { class: "fault", text: problem })] : []),
      ...(ordered.length ? ordered.map((each) => this.row(each)) : [el("p", { class: "note dim", text: "No flows told of one yet. For some:" }),
        el("pre", { text: "kubectl exec -it curl-pod -- curl webpod" })]));
  }

  row(seen) {
    const name = seen.name.replace(/^Service /, "");
    return el("button", { type: "button", class: "lately-row", on: { click: () => this.onTake(seen) } },
      el("span", { class: "pod", text: seen.pod }),
      el("span", { class: "to" }, el("span", { class: "dim", text: "→ " }), el("span", { text: name || seen.destination }),
        name && el("span", { class: "address", text: seen.destination })),
      el("span", { class: `protocol${seen.isDropped ? " dropped" : ""}`, text: seen.isDropped ? `${seen.protocol} dropped` : seen.protocol }),
      el("time", { text: timeOfDay(seen.ms).slice(0, 8) }));
  }
}

function hint(pod) {
  return pod ? "Choose one, or click whom it asks in the picture." : "Choose one, or click two pods in the picture: who opens it, and whom it asks.";
}
