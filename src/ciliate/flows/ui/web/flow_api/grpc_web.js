/**
 * gRPC by fetch: frames of five octets and a message; the last frame has status and words.
 *
 * The server answers every call with HTTP 200 and a trailers frame; anything else comes from a proxy
 * between, or from nobody.
 */

import { frame, Frames } from "./frames.js";
import { CallError, UNAVAILABLE } from "./call_error.js";

const CONTENT_TYPE = "application/grpc-web+proto";
const TRAILERS = 0x80;

/**
 * Yield the messages of an answer; a call that failed throws a CallError.
 * @param {URL} url @param {Uint8Array} request @param {AbortSignal} signal
 * @param {() => void} [onOpen] called when the server has begun to answer
 * @returns {AsyncGenerator<Uint8Array, void>}
 */
export async function* call(url, request, signal, onOpen = () => {}) {
  let response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "content-type": CONTENT_TYPE, "ciliate-batches": "1" },
      body: frame(request),
      signal,
      cache: "no-store",
      credentials: "same-origin",
    });
  } catch (error) {
    throw signal.aborted ? error : new CallError(UNAVAILABLE, "the page's server does not answer");
  }
  if (!response.ok || response.headers.get("content-type") !== CONTENT_TYPE) {
    throw new CallError(
      UNAVAILABLE,
      `the page's server answers ${response.status} ${response.statusText}`,
    );
  }
  onOpen();
  yield* messages(response.body, signal);
}

/** The only message of an answer.
 * @param {URL} url @param {Uint8Array} request @param {AbortSignal} signal */
export async function callOnce(url, request, signal) {
  for await (const message of call(url, request, signal)) return message;
  throw new CallError(UNAVAILABLE, "the answer is empty");
}

async function* messages(body, signal) {
  const frames = new Frames();
  const stream = source(body, frames);
  try {
    for (;;) {
      let isEnd;
      try {
        isEnd = await stream.read();
      } catch (error) {
        throw signal.aborted ? error : new CallError(UNAVAILABLE, "the stream of flows broke off");
      }
      if (isEnd) throw new CallError(UNAVAILABLE, "the stream of flows broke off");
      for (let next = frames.take(); next; next = frames.take()) {
        if (!(next.flags & TRAILERS)) {
          yield next.octets;
          continue;
        }
        const status = statusOf(next.octets);
        if (status.code) throw new CallError(status.code, status.message);
        return;
      }
    }
  } finally {
    stream.cancel();
  }
}

/**
 * What reads a body into frames. Where the browser can, into the same memory again and again: thousands
 * of flows a second would be as many megabytes to clear away.
 * @returns {{read: () => Promise<boolean>, cancel: () => void}} `read`: whether it was the end
 */
function source(body, frames) {
  const cancel = (reader) => () => reader.cancel().catch(() => {}); // It may have failed, which was told.
  try {
    const reader = body.getReader({ mode: "byob" });
    const read = async () => {
      const { done, value } = await reader.read(frames.room());
      if (value) frames.filled(value);
      return done;
    };
    return { read, cancel: cancel(reader) };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const reader = body.getReader();
    const read = async () => {
      const { done, value } = await reader.read();
      if (value) frames.add(value);
      return done;
    };
    return { read, cancel: cancel(reader) };
  }
}

/** @param {Uint8Array} octets @returns {{code: number, message: string}} */
export function statusOf(octets) {
  /** @type {Record<string, string>} */
  const trailers = {};
  for (const line of new TextDecoder().decode(octets).split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0)
      trailers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim();
  }
  let message = trailers["grpc-message"] ?? "";
  try {
    message = decodeURIComponent(message);
  } catch {
    // Not quoted as gRPC has it: shown as it came.
  }
  return { code: Number(trailers["grpc-status"] ?? 2), message };
}
