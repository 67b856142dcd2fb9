/**
 * Reads the stream of flows beside the page, which so is free for who looks at it. The page says what it
 * wants to see, and is told a few times a second what changed.
 */

import { Observer } from "./flow_api/observer.js";
import { Session } from "./model/session.js";

/** How often the page is told of rows: a reader sees no more. */
const TICK_MS = 150;
const TICK_BUSY_MS = 500;
/** How often the map's figures change: they are of whole seconds. What is new to it comes at once. */
const MAP_MS = 500;
const MAP_BUSY_MS = 1000;
/** From so many flows a second on drawing less often is what keeps the page quick. */
const BUSY = 1000;
/** How many of the flows before now, of each node. */
const BACKLOG = 1000;

const observer = new Observer(new URL("./", self.location.href));
let session = new Session();
let stream = new AbortController();
let view = { first: 0, count: 40 };
let told = "";
let tickedAt = 0;
let mappedAt = 0;
let state = { kind: "idle" };

const ORDERS = {
  /** Follow flows that pass filters; what was shown before goes. */
  watch({ filters, generation }) {
    stream.abort();
    stream = new AbortController();
    session = new Session();
    session.generation = generation;
    told = "";
    state = { kind: "opening" };
    follow(session, filters, stream.signal);
    tick(true);
  },
  idle() {
    stream.abort();
    session = new Session();
    state = { kind: "idle" };
  },
  /** Which rows are seen, and whether they stay as they are. */
  view({ first, count, isHeld }) {
    view = { first, count };
    session.hold(isHeld);
    tick(true);
  },
  details({ sequence }) {
    self.postMessage({ kind: "details", sequence, found: session.details(sequence) });
  },
  offer({ name, text, ticket }) {
    self.postMessage({ kind: "offer", ticket, values: session.known.offer(name, text) });
  },
};

self.addEventListener("message", ({ data }) => ORDERS[data.order](data));
setInterval(tick, TICK_MS, false);

async function follow(mine, filters, signal) {
  const requestOf = (isAgain) => {
    const since = isAgain ? mine.resume() : null;
    return { follow: true, ...(since ? { since } : { number: BACKLOG }), ...filters };
  };
  await observer.follow(
    requestOf,
    {
      onOpen: () => {
        state = { kind: "open" };
      },
      onMessage: (octets) => mine.take(octets, Date.now()),
      onFault: (error, retryMs) => {
        state = {
          kind: "fault",
          code: error.code,
          message: error.message,
          retryMs,
          at: Date.now(),
        };
      },
    },
    signal,
  );
}

/** @param {boolean} isAsked whether the page waits for it */
function tick(isAsked) {
  const now = Date.now();
  const isBusy = session.rateAt(now) > BUSY;
  if (!isAsked && isBusy && now - tickedAt < TICK_BUSY_MS) return;
  const withMap = session.links.isNew || now - mappedAt >= (isBusy ? MAP_BUSY_MS : MAP_MS);
  tickedAt = now;
  if (withMap) mappedAt = now;
  const changes = session.changes(now, withMap);
  const rows = session.window(view.first, view.count);
  const tick = { kind: "tick", generation: session.generation, state, ...changes, table: rows };
  const key = JSON.stringify([
    state,
    changes.total,
    changes.rate,
    rows.first,
    rows.isHeld,
    rows.rows.length,
    changes.faults.length,
    changes.losses,
  ]);
  if (key === told && changes.links.length === 0 && changes.cards.length === 0) return;
  told = key;
  self.postMessage(tick);
}
