/** A machine of the picture: its two devices, its rail, the pods in it. Only what changed is drawn anew. */

import { setAttribute, svg } from "../view/dom.js";
import { CARD_ICONS } from "../view/icons.js";
import { HEAD, RAIL, SLOT_X, WIDTH } from "./layout.js";
import { fitted, ROUTER } from "./marks.js";
import { slotParts } from "./slot.js";

const ROLES = { "control-plane": "control plane", worker: "worker", router: "router" };
const NAME_MAX = 24, NETWORK_MAX = 29, DEVICE_MAX = 44, HOST_MAX = 34;

export class MachineView {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
    this.frame = svg("g", {});
    this.slots = svg("g", {});
    /** @type {Map<string, {element: any, key: string}>} */
    this.bySlot = new Map();
    this.element = svg("g", { class: "machine", "data-machine": name }, this.frame, this.slots);
    this.key = "";
  }

  /** @param {import("./layout.js").Box} box @param {import("./layout.js").Row} row @param {string[]} gateway */
  show(box, row, gateway) {
    const { machine, x, y, height, hosts, more } = box;
    setAttribute(this.element, "class", `machine ${machine.role}`);
    const key = JSON.stringify([machine, x, y, height, hosts, more, row, gateway, box.slots.length]);
    if (key !== this.key) {
      this.key = key;
      this.frame.replaceChildren(...this.wires(box, row, gateway), svg("g", { transform: `translate(${x} ${y})` },
        svg("rect", { class: "body", width: WIDTH, height, rx: 9 }), ...head(machine),
        svg("path", { class: "rail", d: `M${RAIL} 0V${height}` }), port(0), port(height), ...hostRows(hosts), ...moreRow(machine, more)));
    }
    this.showSlots(box);
  }

  wires({ machine, x, y, height }, row, gateway) {
    const rail = x + RAIL, text = x + RAIL + 20;
    const device = (name, addresses, at) => svg("text", { class: "device", x: text, y: at }, svg("tspan", { class: "name", text: name }),
      svg("tspan", { dx: 7, text: fitted(addresses.join("  "), DEVICE_MAX) }));
    return [
      svg("path", { class: "wire", d: `M${rail} ${row.internetY + 46}V${y}M${rail} ${y + height}V${row.switchY}` }),
      svg("text", { class: "device dim", x: text, y: row.internetY + 46 + 15, text: `gateway ${fitted(gateway.join("  "), DEVICE_MAX)}` }),
      device("eth0", machine.eth0, y - 8), device("eth1", machine.eth1, y + height + 17),
    ];
  }

  showSlots(box) {
    const present = new Set(box.slots.map((slot) => slot.key));
    for (const [key, { element }] of this.bySlot) {
      if (present.has(key)) continue;
      element.remove();
      this.bySlot.delete(key);
    }
    for (const slot of box.slots) this.showSlot(slot, box);
  }

  showSlot(slot, box) {
    let view = this.bySlot.get(slot.key);
    if (!view) {
      view = { element: svg("g", {}), key: "" };
      this.bySlot.set(slot.key, view);
      this.slots.append(view.element);
    }
    const key = JSON.stringify([slot.kind, slot.pod, slot.height, slot.notes.map((step) => [step.number, step.changes, step.header])]);
    if (key !== view.key) {
      view.key = key;
      view.element.replaceChildren(...slotParts(slot));
    }
    setAttribute(view.element, "class", `slot ${slot.kind} ${(slot.pod?.phase ?? "").toLowerCase()}`);
    view.element.style.transform = `translate(${slot.x}px, ${slot.y}px)`;
    for (const [name, value] of Object.entries(slot.pod ? { tabindex: "0", role: "button", "data-pod": slot.key } : {})) {
      setAttribute(view.element, name, value);
    }
    setAttribute(view.element, "data-node", box.machine.name);
  }
}

function head(machine) {
  const network = machine.role === "router" ? "" : machine.networks.join("  ");
  const path = machine.role === "router" ? ROUTER : CARD_ICONS.node;
  return [
    svg("path", { class: "machine-icon", d: path, transform: `translate(${SLOT_X} 14) scale(0.95)` }),
    svg("text", { class: "machine-name", x: SLOT_X + 22, y: 27, text: fitted(machine.name, NAME_MAX) }),
    svg("text", { class: "role", x: WIDTH - 12, y: 27, text: ROLES[machine.role] ?? machine.role }),
    network && svg("text", { class: "network", x: SLOT_X + 22, y: HEAD - 10, text: `pods ${fitted(network, NETWORK_MAX)}` }),
  ].filter(Boolean);
}

function port(y) {
  return svg("rect", { class: "port", x: RAIL - 6, y: y - 6, width: 12, height: 12, rx: 3 });
}

function hostRows(hosts) {
  if (!hosts) return [];
  return [svg("text", { class: "label", x: SLOT_X, y: hosts.y + 13, text: "on the node's own network" }),
    ...hosts.pods.map((pod, at) => svg("g", { class: `host-pod ${pod.phase.toLowerCase()}`, tabindex: 0, role: "button", "data-pod": pod.name,
      transform: `translate(${SLOT_X} ${hosts.y + 20 + at * 19})` }, svg("title", { text: `${pod.name}\n${pod.phase}` }),
    svg("rect", { class: "touch", x: -6, width: WIDTH - SLOT_X - 6, height: 19, rx: 4 }),
    svg("circle", { class: "phase", cx: 4, cy: 9.5, r: 3 }),
    svg("text", { x: 16, y: 13.5, text: fitted(pod.name.replace(/^[^/]*\//, ""), HOST_MAX) })))];
}

function moreRow(machine, more) {
  if (!more) return [];
  const text = more.count ? `and ${more.count} more` : "fewer";
  return [svg("g", { class: "more", tabindex: 0, role: "button", "data-more": machine.name, transform: `translate(${SLOT_X} ${more.y})` },
    svg("rect", { class: "touch", x: -6, width: 120, height: 20, rx: 4 }), svg("text", { x: 0, y: 14, text })),
  ];
}

