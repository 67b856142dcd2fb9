/** The calls of the Observer behind the page's server, and the stream of flows that mends itself. */

import { CallError, INVALID_ARGUMENT, UNAVAILABLE, UNKNOWN } from "./call_error.js";
import { call, callOnce } from "./grpc_web.js";
import { reader } from "./wire.js";
import { write } from "./wire_writer.js";

const BACKOFF_MS = 1000;
const BACKOFF_MAX_MS = 15_000;
const ANSWER_MS = 12_000;
/** These are said of a request: asking again changes nothing. */
const OF_THE_REQUEST = new Set([UNKNOWN, INVALID_ARGUMENT]);

/**
 * @typedef {object} StreamEvents
 * @property {() => void} onOpen
 * @property {(octets: Uint8Array) => void} onMessage
 * @property {(error: CallError, retryMs: number) => void} onFault `retryMs` 0: it is not asked again
 */

export class Observer {
  /** @param {URL} root where the page is */
  constructor(root) {
    this.root = root;
  }

  /** The answer to what needs no stream. @param {string} method "ServerStatus" */
  async ask(method, request = {}) {
    const octets = write(`observer.${method}Request`, request);
    const signal = AbortSignal.timeout(ANSWER_MS);
    return reader(`observer.${method}Response`)(await callOnce(this.url(method), octets, signal));
  }

  /**
   * Follow flows until `signal`: when the stream ends it is begun anew, from where it was.
   * @param {(isAgain: boolean) => Record<string, any>} requestOf a GetFlowsRequest
   * @param {StreamEvents} events
   * @param {AbortSignal} signal
   */
  async follow(requestOf, events, signal) {
    let backoffMs = BACKOFF_MS;
    let isAgain = false;
    while (!signal.aborted) {
      const request = write("observer.GetFlowsRequest", requestOf(isAgain));
      let fault = new CallError(UNAVAILABLE, "the relay ended the stream");
      try {
        for await (const message of call(this.url("GetFlows"), request, signal, events.onOpen)) {
          backoffMs = BACKOFF_MS;
          isAgain = true;
          events.onMessage(message);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof CallError)) throw error;
        fault = error;
      }
      const isFinal = OF_THE_REQUEST.has(fault.code);
      events.onFault(fault, isFinal ? 0 : backoffMs);
      if (isFinal) return;
      await pause(backoffMs, signal);
      backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS);
    }
  }

  url(method) {
    return new URL(`flow-api/observer.Observer/${method}`, this.root);
  }
}

/** @param {number} ms @param {AbortSignal} signal */
function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve(undefined);
      },
      { once: true },
    );
  });
}
