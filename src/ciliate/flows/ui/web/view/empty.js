/** Why there is nothing to see, and what to do. */

import { el } from "./dom.js";

export class Empty {
  /** @param {import("../app.js").Frame} frame */
  constructor(frame) {
    this.frame = frame;
    this.key = "";
    this.element = el("div", { class: "empty", role: "status" });
  }

  /** @param {string} reason of REASONS, or empty: there is something @param {string} [message] */
  show(reason, message = "") {
    this.element.hidden = !reason;
    const key = JSON.stringify([
      reason,
      message,
      reason === "unchosen" && [...this.frame.namespaces.known].length,
    ]);
    if (!reason || key === this.key) return;
    this.key = key;
    this.element.replaceChildren(...REASONS[reason](this.frame, message));
  }
}

const REASONS = {
  unchosen: (frame) => {
    const names = [...frame.namespaces.known].sort();
    return [
      el("h2", { text: "Choose a namespace" }),
      el("p", {
        class: "dim",
        text: "Whose flows do you want to see?",
      }),
      el(
        "div",
        { class: "namespaces" },
        ...names.map((name) => pick(frame, name, { isAll: false, namespaces: [name] })),
        pick(frame, "All namespaces", { isAll: true, namespaces: [] }),
      ),
    ];
  },
  opening: () => [el("h2", { text: "Asking for flows …" })],
  quiet: (frame) =>
    [
      el("h2", { text: "No flows yet" }),
      el("p", {
        class: "dim",
        text:
          frame.choice.words.length || frame.choice.hidden.length
            ? "None pass the filters so far. They appear as they come; nodes keep those of the last minutes."
            : "They appear as they come. For some, have a pod ask something:",
      }),
      !(frame.choice.words.length || frame.choice.hidden.length) &&
        el("pre", { text: command(frame.choice) }),
    ].filter(Boolean),
  unmapped: () => [
    el("h2", { text: "Nothing to draw" }),
    el("p", {
      class: "dim",
      text: "The map shows packets by who opened the connection; of these flows nobody can tell. They are in the table.",
    }),
  ],
  refused: (_frame, message) => [
    el("h2", { text: "The filter was refused" }),
    el("p", { class: "fault", text: message }),
  ],
  away: (_frame, message) => [
    el("h2", { text: "No connection to the flows" }),
    el("p", { class: "fault", text: message }),
    el("p", { class: "dim", text: "The page asks again by itself. Is the relay there?" }),
    el("pre", {
      text: [
        "kubectl -n kube-system get pod -l k8s-app=hubble-relay",
        "kubectl -n kube-system logs deployment/hubble-relay",
      ],
    }),
  ],
};

function command({ isAll, namespaces }) {
  const namespace = isAll || namespaces[0] === "default" ? "" : `-n ${namespaces[0]} `;
  return `kubectl exec ${namespace}-it curl-pod -- curl webpod`;
}

function pick(frame, text, choice) {
  return el("button", {
    type: "button",
    class: "button",
    text,
    on: { click: () => frame.go(choice) },
  });
}
