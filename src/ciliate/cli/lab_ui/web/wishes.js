/** What a picture has to show for a journey: pods that are not folded away, notes in them, who is no machine. Pure. */

/** Whether a step happens in a pod, or at its door so that its card is the place to say what. @param {import("./way.js").Step} step */
export function isInPod(step) {
  return step.at?.kind === "pod" || (step.at?.kind === "veth" && (step.changes.length > 0 || step.cause !== null));
}

/**
 * @param {import("./way.js").Journey | null} journey
 * @param {(string | undefined)[]} pods that are to be seen, too
 * @returns {{shown: Set<string>, notes: Map<string, any[]>, vacant: Map<string, string[]>, beyond: import("./layout.js").Chip[]}}
 */
export function wishesOf(journey, pods) {
  const stations = journey?.stations ?? [], notes = new Map(), vacant = new Map(), beyond = new Map();
  for (const step of journey?.steps ?? []) {
    if (isInPod(step)) notes.set(step.at.name, [...(notes.get(step.at.name) ?? []), step]);
  }
  for (const { kind, node, name, net } of stations) {
    if (kind === "nobody") vacant.set(node, [...new Set([...(vacant.get(node) ?? []), name])]);
    else if (kind === "beyond") beyond.set(name, { name, bar: net ? "switch" : "internet", isKnown: false });
  }
  const shown = new Set([...stations.map(({ name }) => name), ...pods].filter(Boolean));
  return { shown, notes, vacant, beyond: [...beyond.values()] };
}
