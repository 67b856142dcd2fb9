/**
 * Cards of the map: who talks. Pods of one identity are one card, since an identity is the same on
 * every node; the world, which is no identity of the cluster's, is one for all who call and one for all
 * who are called. Pure.
 */

import { isWorld, RESERVED } from "./names.js";

/** @typedef {import("./flow.js").End} End */

/**
 * @typedef {object} Card what the page draws
 * @property {string} id
 * @property {string} title
 * @property {string} kind "Deployment", "Pod", "world", …
 * @property {string} namespace empty: of no namespace
 * @property {string} special a name of SPECIALS, or empty
 * @property {number} identity 0: the world
 * @property {string} detail how many pods or addresses there are behind it
 */

/** More are drawn as one: nobody reads so many. */
export const CARDS_MAX = 250;
const NAMES_MAX = 64;

export const REST = "rest";

/**
 * What the page can hide, each by labels: what talks to everybody and is rarely meant.
 * @type {Record<string, {title: string, labels: string[]}>}
 */
export const SPECIALS = {
  host: { title: "Host", labels: ["reserved:host"] },
  "remote-node": { title: "Other nodes", labels: ["reserved:remote-node"] },
  "kube-apiserver": { title: "API server", labels: ["reserved:kube-apiserver"] },
  health: { title: "Health checks", labels: ["reserved:health"] },
  "kube-dns": { title: "DNS (kube-dns)", labels: ["k8s:k8s-app=kube-dns"] },
  monitoring: {
    title: "Monitoring",
    labels: [
      "app.kubernetes.io/name in (prometheus, grafana, alertmanager)",
      "app in (prometheus, grafana, alertmanager)",
      "k8s-app in (hubble-relay, hubble-ui)",
    ],
  },
  world: {
    title: "World",
    labels: ["reserved:world", "reserved:world-ipv4", "reserved:world-ipv6"],
  },
};

const APP_KEYS = ["app.kubernetes.io/name", "app", "name", "functionName", "k8s-app"];
const MONITORS = new Set(["prometheus", "grafana", "alertmanager", "hubble-relay", "hubble-ui"]);

/** The card of an end. @param {End} end @param {string} name by a Service or DNS
 *  @param {"from" | "to"} side */
export function cardId(end, name, side) {
  if (end.identity > 0 && !isWorld(end.identity)) return `identity/${end.identity}`;
  if (end.workload) return `workload/${end.namespace}/${end.kind}/${end.workload}`;
  if (end.pod) return `pod/${end.namespace}/${end.pod}`;
  return name ? `name/${name}/${side}` : `world/${side}`;
}

/** All cards that the flows so far have named. */
export class Cards {
  constructor() {
    /** @type {Map<string, Member>} */
    this.members = new Map();
    /** @type {Set<Member>} */
    this.changed = new Set();
  }

  /** Note an end; return the id of the card that stands for it. */
  note(end, name, ip, side) {
    const id = cardId(end, name, side);
    let member = this.members.get(id);
    if (member === undefined) {
      if (this.members.size >= CARDS_MAX) return this.rest(id);
      member = new Member(id, end, name);
      this.members.set(id, member);
      this.changed.add(member);
    }
    if (member.note(end, ip)) this.changed.add(member);
    return id;
  }

  rest(id) {
    let rest = this.members.get(REST);
    if (rest === undefined) {
      rest = new Member(
        REST,
        { identity: 0, namespace: "", pod: "", labels: [], workload: "", kind: "" },
        "others",
      );
      this.members.set(REST, rest);
      this.changed.add(rest);
    }
    if (rest.addresses.size < NAMES_MAX && rest.addresses.add(id)) this.changed.add(rest);
    return REST;
  }

  /** The cards that are new or say something else. @returns {Card[]} */
  take() {
    const cards = Array.from(this.changed, (member) => member.card());
    this.changed.clear();
    return cards;
  }
}

/** What is known of a card. */
class Member {
  constructor(id, end, name) {
    this.id = id;
    this.identity = isWorld(end.identity) ? 0 : end.identity;
    this.namespace = end.namespace;
    this.labels = end.labels;
    this.name = name;
    this.workload = "";
    this.kind = "";
    this.pods = new Set();
    this.addresses = new Set();
  }

  /** Whether the card says something else now. */
  note(end, ip) {
    let isNew = false;
    if (end.workload && !this.workload) {
      this.workload = end.workload;
      this.kind = end.kind;
      isNew = true;
    }
    const [names, name] = end.pod ? [this.pods, end.pod] : [this.addresses, ip];
    if (name && names.size < NAMES_MAX && !names.has(name)) {
      names.add(name);
      isNew = true;
    }
    return isNew;
  }

  /** @returns {Card} */
  card() {
    const special = specialOf(this.labels);
    const app = appOf(this.labels);
    const { title, kind } = this.titled(special, app);
    return {
      id: this.id,
      title,
      kind,
      namespace: this.namespace,
      special,
      identity: this.identity,
      detail: this.detail(),
    };
  }

  titled(special, app) {
    if (this.id === REST) return { title: "others", kind: "more than can be drawn" };
    if (this.workload) return { title: this.workload, kind: this.kind };
    if (this.pods.size === 1) return { title: [...this.pods][0], kind: "Pod" };
    if (app) return { title: app, kind: this.pods.size ? "Pods" : "" };
    if (this.id.startsWith("world/")) return { title: "world", kind: "outside the cluster" };
    if (this.name) return { title: this.name, kind: "outside the cluster" };
    const reserved = RESERVED[this.identity];
    if (reserved) return { title: reserved, kind: KINDS[reserved] ?? "" };
    const cidr = this.labels.find((label) => label.startsWith("cidr:"));
    if (cidr) return { title: cidr.slice(5), kind: "addresses" };
    return { title: `identity ${this.identity}`, kind: this.pods.size ? "Pods" : special };
  }

  detail() {
    const more = (set) => (set.size >= NAMES_MAX ? `${NAMES_MAX}+` : String(set.size));
    if (this.id === REST) return `${more(this.addresses)} cards`;
    if (this.pods.size > 1) return `${more(this.pods)} pods`;
    if (this.pods.size === 1) return this.workload ? "1 pod" : "";
    if (this.addresses.size === 1) return [...this.addresses][0];
    return this.addresses.size ? `${more(this.addresses)} addresses` : "";
  }
}

const KINDS = {
  host: "the pod's own node",
  "remote-node": "other nodes",
  "kube-apiserver": "control plane",
  health: "health checks",
};

/** @param {string[]} labels */
function appOf(labels) {
  for (const key of APP_KEYS) {
    for (const label of labels) {
      const at = label.indexOf("=");
      if (at > 0 && label.slice(0, at).replace(/^[^:]*:/, "") === key) return label.slice(at + 1);
    }
  }
  return "";
}

/** @param {string[]} labels */
export function specialOf(labels) {
  if (labels.includes("k8s:k8s-app=kube-dns")) return "kube-dns";
  if (MONITORS.has(appOf(labels))) return "monitoring";
  for (const name of ["kube-apiserver", "host", "remote-node", "health"]) {
    if (labels.includes(`reserved:${name}`)) return name;
  }
  return labels.some((label) => label.startsWith("reserved:world")) ? "world" : "";
}
