/** Events that were lost: how many, where, and what that means for who reads. Pure. */

import { enumName } from "../flow_api/enums.js";
import { milliseconds } from "./time.js";

/** Source of the loss -> where it happened, and what to do. */
const MEANINGS = {
  PERF_EVENT_RING_BUFFER: {
    where: "between kernel and agent",
    remedy:
      "the node saw more packets than its ring of events has room for: set monitor-aggregation to medium or" +
      " higher. Packets themselves were not lost",
  },
  OBSERVER_EVENTS_QUEUE: {
    where: "in the agent's queue",
    remedy: "the node's flow server was too busy: set monitor-aggregation to medium or higher",
  },
  HUBBLE_RING_BUFFER: {
    where: "on the way to this page",
    remedy: "the node had new flows faster than the page took them: a filter makes them fewer",
  },
};

const PLACES_MAX = 100;

export class Losses {
  constructor() {
    /** @type {Map<string, {node: string, source: string, count: number, lastMs: number}>} */
    this.places = new Map();
  }

  /** @param {any} event a LostEvent @param {string} node @param {number} nowMs */
  note(event, node, nowMs) {
    const source = enumName("flow.LostEventSource", event.source);
    const key = `${node}|${source}`;
    if (!this.places.has(key) && this.places.size >= PLACES_MAX) return;
    const place = this.places.get(key) ?? { node, source, count: 0, lastMs: 0 };
    place.count += Number(event.num_events_lost ?? 0);
    place.lastMs = milliseconds(event.last) || nowMs;
    this.places.set(key, place);
  }

  /** @returns {{node: string, where: string, remedy: string, count: number, lastMs: number}[]} */
  list() {
    return [...this.places.values()].map(({ node, source, count, lastMs }) => {
      const meaning = MEANINGS[source] ?? { where: source, remedy: "" };
      return { node, count, lastMs, ...meaning };
    });
  }
}
