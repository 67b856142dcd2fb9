/**
 * What a stream of flows has brought since it was begun: rows for the table, cards and links for the
 * map, names for filters, what was lost, how nodes are. Pure: it is told the time.
 */

import { answersOf } from "../flow_api/answers.js";
import { enumName } from "../flow_api/enums.js";
import { WireError } from "../flow_api/wire.js";
import { blankRow, fillRow, wholeFlow } from "./flow.js";
import { Known } from "./known.js";
import { Links } from "./links.js";
import { Losses } from "./losses.js";
import { OctetStore } from "./octet_store.js";
import { Ring } from "./ring.js";
import { FlowClock, Rate } from "./time.js";

export const ROWS_MAX = 10_000;
/** Of those before a stream broke off, that come again behind it. */
const SEEN_MAX = 4096;
/** Of as many flows as there are rows, if they have 1.2 kB each. */
const OCTETS_MAX = 12 * 1024 * 1024;

export class Session {
  constructor() {
    this.ring = new Ring(ROWS_MAX, blankRow);
    this.store = new OctetStore(OCTETS_MAX);
    /** What somebody reads while more comes. @type {{ring: Ring, store: OctetStore} | null} */
    this.held = null;
    this.links = new Links();
    this.known = new Known();
    this.losses = new Losses();
    this.clock = new FlowClock();
    this.rate = new Rate();
    this.verdicts = new Array(8).fill(0);
    /** @type {Map<string, string>} node -> why its flows do not come */
    this.faults = new Map();
    this.unreadable = 0;
    this.latestMs = 0;
    /** @type {Set<string> | null} */
    this.seen = null;
  }

  /** @param {Uint8Array} octets a message of GetFlows @param {number} localMs */
  take(octets, localMs) {
    try {
      for (const answer of answersOf(octets)) this.takeAnswer(answer, octets, localMs);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.unreadable += 1;
    }
  }

  takeAnswer(answer, octets, localMs) {
    if (answer.flow) this.takeFlow(octets, answer.flow, localMs);
    else if (answer.lost_events)
      this.losses.note(answer.lost_events, answer.node_name ?? "", localMs);
    else if (answer.node_status) this.takeStatus(answer.node_status);
  }

  takeFlow(octets, [start, end], localMs) {
    const { spare: row } = this.ring;
    fillRow(row, octets, start, end);
    if (
      this.seen &&
      row.ms <= this.seenMs &&
      this.seen.has(wholeFlow(octets.subarray(start, end)).uuid)
    )
      return;
    row.sequence = this.ring.total;
    row.place = this.store.put(octets, start, end);
    row.length = end - start;
    this.ring.push();
    this.links.add(row);
    this.known.note(row);
    this.clock.saw(row.ms, localMs);
    this.rate.add(row.ms);
    this.verdicts[row.verdict & 7] += 1;
    this.latestMs = Math.max(this.latestMs, row.ms);
  }

  takeStatus(status) {
    const state = enumName("relay.NodeState", status.state_change);
    for (const node of status.node_names ?? []) {
      if (state === "NODE_CONNECTED") this.faults.delete(node);
      else if (state === "NODE_ERROR" || state === "NODE_UNAVAILABLE")
        this.fault(node, status.message);
      else if (state === "NODE_GONE") this.faults.delete(node);
    }
  }

  fault(node, message) {
    if (this.faults.size < 1000) this.faults.set(node, message || "is not reachable");
  }

  /** From when a stream that broke off has to be asked for; what comes twice counts once. */
  resume() {
    if (this.latestMs === 0) return null;
    const rows = this.ring.slice(0, SEEN_MAX);
    this.seen = new Set(rows.map((row) => flowOf(row, this.store)?.uuid));
    this.seenMs = this.latestMs;
    // The order of flows is only almost that of their times.
    const sinceMs = Math.max(this.latestMs - 2000, rows.at(-1)?.ms ?? 0);
    return { seconds: Math.floor(sinceMs / 1000), nanos: Math.floor((sinceMs % 1000) * 1e6) };
  }

  /** Keep what is there for somebody who reads, or go on. @param {boolean} isHeld */
  hold(isHeld) {
    if (!isHeld) this.held = null;
    else this.held ??= { ring: this.ring.snapshot(), store: this.store.snapshot() };
  }

  /** The rows that are shown: newest first. @param {number} first @param {number} count */
  window(first, count) {
    const { ring } = this.held ?? this;
    return {
      first,
      total: ring.size,
      isHeld: this.held !== null,
      news: this.ring.total - ring.total,
      rows: ring.slice(first, count),
    };
  }

  /** All fields of a flow, or null when it is gone. @param {number} sequence */
  details(sequence) {
    for (const { ring, store } of [this, ...(this.held ? [this.held] : [])]) {
      const row = ring.newest(ring.total - 1 - sequence);
      const flow = row && flowOf(row, store);
      if (flow) return { row, flow };
    }
    return null;
  }

  /** Flows a second. @param {number} localMs */
  rateAt(localMs) {
    return this.rate.at(this.clock.now(localMs));
  }

  /** What changed for the map, if it is asked for, and the bar of status.
   * @param {number} localMs @param {boolean} withMap */
  changes(localMs, withMap = true) {
    const now = this.clock.now(localMs);
    const map = withMap ? this.links.take(now) : { cards: [], links: [] };
    return {
      ...map,
      full: this.links.full,
      rate: this.rate.at(now),
      total: this.ring.total,
      verdicts: this.verdicts.slice(),
      losses: this.losses.list(),
      unreadable: this.unreadable,
      now,
      faults: [...this.faults].map(([node, message]) => ({ node, message })),
    };
  }
}

/** All of a row's flow, or null when its octets are gone. */
function flowOf(row, store) {
  const octets = store.get(row.place, row.length);
  return octets && wholeFlow(octets);
}
