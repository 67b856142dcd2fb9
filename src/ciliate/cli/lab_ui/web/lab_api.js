/** What the lab's server answers: the lab as it stands, and ways of connections. */

const ANSWER_MS = 25_000;
/** Where this page is served, whatever comes before its path. */
const ROOT = new URL("../lab-api/", import.meta.url);

/** What the server said that it cannot do. */
export class LabError extends Error {}

/** @returns {Promise<import("./ground.js").Picture>} */
export function askPicture() {
  return ask("picture");
}

/** @param {{pod: string, destination: string, protocol: string}} question @returns {Promise<{ways: any[], silent: Record<string, string>}>} */
export function askWays(question) {
  return ask("ways", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(question) });
}

async function ask(name, request = {}) {
  let answer;
  try {
    answer = await fetch(new URL(name, ROOT), { ...request, signal: AbortSignal.timeout(ANSWER_MS) });
  } catch (error) {
    throw new LabError(`\`ciliate lab ui\` does not answer (${error.message}): does it still run?`);
  }
  const isJson = answer.headers.get("content-type")?.startsWith("application/json");
  const body = isJson ? await answer.json() : null;
  if (!answer.ok) throw new LabError(body?.problem ?? `the server answers ${answer.status} to ${name}`);
  return body;
}
