/**
 * Links of the map: who asks whom, by which protocol, at which port, and what became of it. Pure.
 *
 * A link goes from who opened a connection to who was asked: a reply counts for the link of its request.
 * Of sockets' calls only those count that say which backend a call got: the others name a Service's
 * address, which is nobody's, or no port.
 */

import { cardId, Cards } from "./cards.js";
import { POST_XLATE_FWD, TRACE, TRACE_SOCK, VERDICTS } from "./names.js";
import { Rate } from "./time.js";

/** @typedef {import("./flow.js").Row} Row */

/**
 * @typedef {object} Link what the page draws
 * @property {string} id
 * @property {string} from id of a card
 * @property {string} to
 * @property {string} protocol
 * @property {number} port 0: the protocol has none, -1: many ports
 * @property {number[]} verdicts how many flows, by verdict
 * @property {number} rate flows a second
 * @property {number} dropRate drops a second
 * @property {string} reason of the last drop
 * @property {number} lastMs when its last flow was
 */

export const LINKS_MAX = 1500;
/** A scan of ports is one link more. */
export const PORTS_MAX = 10;
export const MANY = -1;

const VERDICT_NUMBERS = 8;

export class Links {
  constructor() {
    this.cards = new Cards();
    /** @type {Map<string, Tally>} */
    this.tallies = new Map();
    /** Ports by pair of cards and protocol. @type {Map<string, Set<number>>} */
    this.ports = new Map();
    /** @type {Set<Tally>} */
    this.changed = new Set();
    /** Those that have a rate, which falls without flows. @type {Set<Tally>} */
    this.live = new Set();
    /** Whether there was no room for a link. */
    this.full = false;
    /** Whether there is a link that nobody was told of. */
    this.isNew = false;
  }

  /** @param {Row} row */
  add(row) {
    if (row.protocol === "" && row.sourceIp === "") return;
    if (row.eventType === TRACE_SOCK && row.subType !== POST_XLATE_FWD) return;
    // Where a program cannot tell, another one on the packet's way can.
    if (row.eventType === TRACE && row.reply === undefined) return;
    const turned = row.reply === true || (row.reply === undefined && this.answers(row));
    const [from, to] = turned ? [row.destination, row.source] : [row.source, row.destination];
    const [fromIp, toIp] = turned
      ? [row.destinationIp, row.sourceIp]
      : [row.sourceIp, row.destinationIp];
    const [fromName, toName] = turned
      ? [row.destinationName, row.sourceName]
      : [row.sourceName, row.destinationName];
    const port = turned ? row.sourcePort : row.destinationPort;
    const fromCard = this.cards.note(from, fromName, fromIp, "from");
    const toCard = this.cards.note(to, toName, toIp, "to");
    this.tally(fromCard, toCard, row.protocol || "IP", port)?.add(row, this);
  }

  /** Whether a drop, of which nobody told the direction, was of an answer: then its link is known. */
  answers(row) {
    if (row.sourcePort === 0 || row.destinationPort === 0) return false;
    const asker = cardId(row.destination, row.destinationName, "from");
    const asked = cardId(row.source, row.sourceName, "to");
    return this.tallies.has(linkId(asker, asked, row.protocol, row.sourcePort));
  }

  tally(from, to, protocol, port) {
    const pair = `${from}|${to}|${protocol}`;
    const ports = this.ports.get(pair) ?? new Set();
    if (!ports.has(port) && ports.size >= PORTS_MAX) port = MANY;
    const id = linkId(from, to, protocol, port);
    let tally = this.tallies.get(id);
    if (tally === undefined) {
      this.full = this.tallies.size >= LINKS_MAX;
      if (this.full) return undefined;
      this.ports.set(pair, ports);
      tally = new Tally(id, from, to, protocol, port);
      this.tallies.set(id, tally);
      this.isNew = true;
      if (port !== MANY) ports.add(port);
    }
    return tally;
  }

  /** What changed since the last time. @param {number} nowMs by the cluster's clock */
  take(nowMs) {
    for (const tally of this.live) {
      if (tally.settle(nowMs)) this.changed.add(tally);
      if (tally.rateNow === 0 && nowMs - tally.lastMs > 10_000) this.live.delete(tally);
    }
    const links = Array.from(this.changed, (tally) => tally.link());
    this.changed.clear();
    this.isNew = false;
    return { cards: this.cards.take(), links };
  }
}

function linkId(from, to, protocol, port) {
  return `${from}|${to}|${protocol}|${port}`;
}

class Tally {
  constructor(id, from, to, protocol, port) {
    this.id = id;
    this.from = from;
    this.to = to;
    this.protocol = protocol;
    this.port = port;
    this.verdicts = new Array(VERDICT_NUMBERS).fill(0);
    this.rate = new Rate();
    this.drops = new Rate();
    this.rateNow = 0;
    this.dropsNow = 0;
    this.reason = "";
    this.lastMs = 0;
  }

  add(row, links) {
    this.verdicts[row.verdict < VERDICT_NUMBERS ? row.verdict : 0] += 1;
    this.rate.add(row.ms);
    if (row.verdict === VERDICTS.DROPPED) {
      this.drops.add(row.ms);
      this.reason = row.reason;
    }
    if (row.ms > this.lastMs) this.lastMs = row.ms;
    links.changed.add(this);
    links.live.add(this);
  }

  /** Whether its rates are others now. */
  settle(nowMs) {
    const rate = this.rate.at(nowMs);
    const drops = this.drops.at(nowMs);
    if (rate === this.rateNow && drops === this.dropsNow) return false;
    this.rateNow = rate;
    this.dropsNow = drops;
    return true;
  }

  /** @returns {Link} */
  link() {
    const { id, from, to, protocol, port, reason, lastMs } = this;
    return {
      id,
      from,
      to,
      protocol,
      port,
      reason,
      lastMs,
      verdicts: this.verdicts.slice(),
      rate: this.rateNow,
      dropRate: this.dropsNow,
    };
  }
}
