/**
 * Who has which address in a lab's picture, and by which stations one gets from one to another. Pure.
 *
 * A station is a place of the picture that a packet can be at; the path between two leads by the rail
 * of a machine to its devices, and by the switch or the internet from machine to machine.
 */

import { isWithin } from "./addresses.js";

/** @typedef {{name: string, addresses: string[], phase: string}} Pod */
/** @typedef {{name: string, role: string, eth0: string[], eth1: string[], networks: string[], pods: Pod[]}} Machine */
/** @typedef {{name: string, internet: string[], gateway: string[], machines: Machine[]}} Picture */

/**
 * @typedef {object} Station
 * @property {"pod" | "veth" | "host" | "device" | "switch" | "gateway" | "internet" | "network" | "server"
 *   | "beyond" | "nobody"} kind
 * @property {string} [node] of what is in a machine, or where its wire ends
 * @property {string} [name] a pod, a device, a network, an address
 */

export const SWITCHED = "eth1", UPLINK = "eth0";

/** Whether a pod has a network of its own, and not its node's. @param {Pod} pod @param {Machine} machine */
export function isOwn(pod, machine) {
  return !pod.addresses.some((address) => machine.eth1.includes(address));
}

export class Ground {
  /** @param {Picture} picture */
  constructor(picture) {
    this.picture = picture;
    /** @type {Map<string, Machine>} */
    this.machines = new Map(picture.machines.map((machine) => [machine.name, machine]));
    /** @type {Map<string, {pod: Pod, machine: Machine}>} */
    this.pods = new Map();
    /** @type {Map<string, Station>} */
    this.owners = new Map();
    for (const machine of picture.machines) {
      for (const pod of machine.pods) {
        this.pods.set(pod.name, { pod, machine });
        if (!isOwn(pod, machine)) continue;
        for (const address of pod.addresses) this.owners.set(address, podStation(pod.name, machine.name));
      }
      for (const address of machine.eth1) this.owners.set(address, { kind: "host", node: machine.name });
    }
    for (const address of picture.internet) this.owners.set(address, { kind: "server", name: address });
  }

  /** Where a pod is, or null: it is gone. @param {string} name @returns {Station | null} */
  podNamed(name) {
    const found = this.pods.get(name);
    if (!found) return null;
    return isOwn(found.pod, found.machine) ? podStation(name, found.machine.name) : { kind: "host", node: found.machine.name };
  }

  /**
   * Where an end of a packet is: the pod that is named, or who has the address.
   * @param {{address: string, name?: string}} end @returns {Station | null} null: a Service's, which is nowhere
   */
  stationOf({ address, name = "" }) {
    if (name.startsWith("Service ")) return null;
    const found = this.podNamed(name) ?? this.owners.get(address);
    if (found) return found;
    for (const { name: node, role, networks } of this.picture.machines) {
      const network = networks.find((each) => isWithin(address, each));
      if (network) return role === "router" ? { kind: "network", node, name: network } : { kind: "nobody", node, name: address };
    }
    return { kind: "beyond", name: address };
  }

  /** The stations from one to another, both of them included. @param {Station} from @param {Station} to @returns {Station[]} */
  path(from, to) {
    if (from.node !== undefined && from.node === to.node) return joined([...inside(from), ...inside(to).reverse()]);
    const [left, entered] = [outside(from, to), outside(to, from).reverse()];
    return joined([...left, ...entered]);
  }
}

/** @returns {Station} */
function podStation(name, node) {
  return { kind: "pod", node, name };
}

/** From a place in a machine to its rail. @param {Station} station @returns {Station[]} */
function inside(station) {
  return station.kind === "pod" ? [station, { ...station, kind: "veth" }] : [station];
}

/** From a place to the network by which another is reached. */
function outside(station, other) {
  const { node } = station;
  if (node === undefined) return [station];
  const toSwitch = other.node !== undefined || other.net === SWITCHED;
  const device = station.kind === "device" ? station.name : toSwitch ? SWITCHED : UPLINK;
  const port = { kind: "device", node, name: device };
  const wire = device === UPLINK ? [{ kind: "gateway", node }, { kind: "internet", node }] : [{ kind: "switch", node }];
  return [...inside(station), port, ...wire];
}

/** Without what comes twice in a row. @param {Station[]} stations */
export function joined(stations) {
  return stations.filter((each, at) => at === 0 || !isSame(each, stations[at - 1]));
}

/** @param {Station} one @param {Station} other */
export function isSame(one, other) {
  return one.kind === other.kind && one.node === other.node && one.name === other.name;
}
