/**
 * A way as a journey over the picture: packets with the stations they pass, and of each hop where it
 * was seen, what it was translated from and to, and why it ended there. Pure.
 *
 * A packet that met the same places as one before is named there, and not drawn again.
 */

import { placeText } from "./addresses.js";
import { Ground, isSame, joined } from "./ground.js";
import { CALL, outcomeOf } from "./outcome.js";

/** @typedef {import("./ground.js").Station} Station */
/** @typedef {{side: "source" | "destination", from: string, to: string}} Change */

/**
 * @typedef {object} Step
 * @property {number} number from 1
 * @property {number} packet which of the journey's
 * @property {any} hop as the server tells it
 * @property {Station | null} at null: the pod is gone
 * @property {number} start of the packet's stations, where the packet was before
 * @property {number} stop where it is seen
 * @property {Change[]} changes
 * @property {{source: string, destination: string}} header the addresses it goes on with
 * @property {{why: string, behind: string, remedy: string, file?: string, line?: number} | null} cause
 */

/**
 * @typedef {object} Passage a packet, or a socket's call
 * @property {"request" | "reply"} direction
 * @property {string} title "SYN"; a call has none
 * @property {boolean} isCall
 * @property {Station[]} stations
 * @property {number} told up to which of them somebody told of it
 * @property {string[]} same titles of later packets that went the same way
 * @property {Step[]} steps
 */

/** `rest`: packets beyond those that are drawn.
 *  @typedef {{way: any, rest: number, outcome: string, packets: Passage[], steps: Step[], stations: Station[]}} Journey */

const TOLD = "post-xlate-rev";
/** Nobody goes through more. */
const STEPS_MAX = 120;
/** Where a packet is handed over for good: what is behind it is no guess. */
const ARRIVED = "to-endpoint";

/** @param {any} way @param {import("./ground.js").Picture} picture @returns {Journey} */
export function journeyOf(way, picture) {
  return new Survey(way, new Ground(picture)).journey();
}

class Survey {
  /** @param {any} way @param {Ground} ground */
  constructor(way, ground) {
    this.way = way;
    this.ground = ground;
    this.isAnswered = way.packets.some((each) => each.direction === "reply");
    this.hasCall = way.packets.some((each) => each.packet === CALL);
    /** @type {Passage[]} */
    this.packets = [];
    /** @type {Step[]} */
    this.steps = [];
    /** What requests went out as, where that is another address. */
    this.seenAs = "";
    this.rest = 0;
  }

  /** @returns {Journey} */
  journey() {
    const known = new Map();
    for (const packet of this.way.packets) {
      const key = JSON.stringify([packet.direction, packet.hops.map((hop) => [hop.node, hop.point, hop.device, hop.verdict])]);
      const earlier = packet.packet === CALL ? undefined : known.get(key);
      if (earlier) earlier.same.push(packet.packet);
      else if (this.steps.length >= STEPS_MAX) this.rest += 1;
      else known.set(key, this.take(packet));
    }
    if (this.way.refused) this.refuse();
    return { way: this.way, rest: this.rest, outcome: outcomeOf(this.way), packets: this.packets, steps: this.steps,
      stations: this.packets.flatMap((packet) => packet.stations) };
  }

  /** @returns {Passage} */
  take({ direction, packet, hops }) {
    const isCall = packet === CALL, places = hops.map((hop) => this.placeOf(hop, direction, isCall));
    const [stations, stops] = this.route(hops, places, isCall);
    const passage = { direction, title: isCall ? "" : packet, isCall, stations, told: this.toldUpTo(hops.at(-1), stations, stops.at(-1)),
      same: [], steps: [] };
    this.packets.push(passage);
    hops.forEach((hop, at) => {
      const changes = this.changesOf(hop, hops[at - 1], direction);
      this.add(passage, { hop, at: places[at], start: at ? stops[at - 1] : 0, stop: stops[at], changes,
        header: headerOf(hop, changes), cause: hop.drop ?? null });
    });
    return passage;
  }

  add(passage, step) {
    const whole = { number: this.steps.length + 1, packet: this.packets.indexOf(passage), ...step };
    passage.steps.push(whole);
    this.steps.push(whole);
  }

  /** A call that fails is a step of its own: the last. */
  refuse() {
    const passage = this.packets.at(-1), last = passage?.steps.at(-1);
    if (!last) return;
    const hop = { ...last.hop, point: "refused", verdict: "REFUSED", text: "the call fails, and nothing is sent" };
    this.add(passage, { ...last, number: this.steps.length + 1, hop, changes: [], cause: this.way.refused });
  }

  /** Where a hop was seen. @returns {Station | null} */
  placeOf(hop, direction, isCall) {
    const { node, device = "" } = hop;
    if (isCall) return this.ground.podNamed(this.way.pod);
    if (/^eth\d/.test(device)) return { kind: "device", node, name: device };
    const pod = device.startsWith("lxc") && this.podAt(hop, direction);
    return pod ? { ...pod, kind: "veth" } : { kind: "host", node };
  }

  /** The pod whose device a hop names: who sent it if it is of this node, else who gets it. */
  podAt(hop, direction) {
    const sender = direction === "request" ? this.ground.podNamed(this.way.pod) : this.ground.stationOf(hop.source);
    const ends = [sender, this.ground.stationOf(this.way.backend ?? this.way.destination), this.ground.stationOf(hop.destination)];
    return ends.find((each) => each?.kind === "pod" && each.node === hop.node);
  }

  /** All stations of a packet, and which of them are its hops'. @returns {[Station[], number[]]} */
  route(hops, places, isCall) {
    const seen = places.map((place, at) => place ?? { kind: "host", node: hops[at].node });
    if (isCall) return [[seen[0]], seen.map(() => 0)];
    let stations = [], stops = [];
    const go = (to) => {
      stations = stations.length ? joined([...stations, ...this.ground.path(stations.at(-1), to)]) : [to];
    };
    const sender = this.senderOf(hops[0], seen[0]);
    if (sender) go(sender);
    for (const place of seen) {
      go(place);
      stops.push(stations.length - 1);
    }
    const last = hops.at(-1), end = last.drop ? null : this.endOf(last);
    if (end && !isSame(end, stations.at(-1))) go(end);
    return [stations, stops];
  }

  senderOf(hop, place) {
    if (place.kind === "veth") return { ...place, kind: "pod" };
    return this.ground.stationOf(hop.source) ?? (this.way.backend ? this.ground.stationOf(this.way.backend) : null);
  }

  endOf(hop) {
    const found = this.ground.stationOf(hop.destination) ?? (this.way.backend ? this.ground.stationOf(this.way.backend) : null);
    const machine = this.ground.machines.get(hop.node);
    const isSwitched = found?.kind === "beyond" && machine?.eth1.includes(hop.source_translated);
    return isSwitched ? { ...found, net: "eth1" } : found;
  }

  /** Behind a hop that sends it on, and that nothing answers, is what nobody has told. */
  toldUpTo(hop, stations, stop) {
    return this.isAnswered || hop.point === ARRIVED ? stations.length - 1 : stop;
  }

  /** @returns {Change[]} */
  changesOf(hop, before, direction) {
    const { backend, destination } = this.way, isFirst = before === undefined, changes = [];
    const of = (end) => placeText(end.address, end.port);
    if (!isFirst && of(before.destination) !== of(hop.destination)) {
      changes.push({ side: "destination", from: of(before.destination), to: of(hop.destination) });
    } else if (isFirst && direction === "request" && backend && !this.hasCall && !this.steps.length) {
      changes.push({ side: "destination", from: of(destination), to: of(backend) });
    }
    if (hop.source_translated) {
      this.seenAs = hop.source_translated;
      changes.push({ side: "source", from: hop.source.address, to: hop.source_translated });
    }
    if (direction === "reply" && backend && of(hop.source) === of(destination) && (hop.point === TOLD || hop.point === ARRIVED)) {
      changes.push({ side: "source", from: of(backend), to: of(destination) });
    }
    if (direction === "reply" && this.seenAs && hop.point === ARRIVED && isFirst) {
      changes.push({ side: "destination", from: this.seenAs, to: hop.destination.address });
    }
    return changes;
  }
}

/** The addresses with which a packet goes on from a hop. */
function headerOf(hop, changes) {
  const source = changes.find((change) => change.side === "source" && change.to === hop.source_translated);
  return { source: source ? source.to : placeText(hop.source.address, hop.source.port),
    destination: placeText(hop.destination.address, hop.destination.port) };
}
