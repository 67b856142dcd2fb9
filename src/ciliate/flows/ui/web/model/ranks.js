/** In which column of the map a card stands: who calls left of who is called. Pure. */

/**
 * Columns of cards, 0 the leftmost. Of a circle of calls one is drawn backwards.
 * @param {string[]} ids
 * @param {{from: string, to: string}[]} links
 * @returns {Map<string, number>}
 */
export function ranksOf(ids, links) {
  const next = new Map(ids.map((id) => [id, new Set()]));
  const before = new Map(ids.map((id) => [id, new Set()]));
  for (const { from, to } of links) {
    if (from === to || !next.has(from) || !next.has(to)) continue;
    next.get(from).add(to);
    before.get(to).add(from);
  }
  const order = ordered(ids, next, before);
  const place = new Map(order.map((id, at) => [id, at]));
  const ranks = new Map();
  for (const id of order) {
    const callers = [...before.get(id)].filter((caller) => place.get(caller) < place.get(id));
    ranks.set(id, Math.max(0, ...callers.map((caller) => ranks.get(caller) + 1)));
  }
  for (const id of [...order].reverse()) {
    // Who only calls stands beside the first that it calls.
    const called = [...next.get(id)].filter((each) => place.get(each) > place.get(id));
    if (before.get(id).size === 0 && called.length) {
      ranks.set(id, Math.max(0, Math.min(...called.map((each) => ranks.get(each))) - 1));
    }
  }
  return ranks;
}

/** An order in which few links go backwards (Eades, Lin and Smyth, 1993). */
function ordered(ids, next, before) {
  const left = [];
  const right = [];
  const open = new Set(ids);
  const count = (sets, id) => [...sets.get(id)].filter((each) => open.has(each)).length;
  while (open.size) {
    let best = null;
    let bestScore = -Infinity;
    for (const id of open) {
      const calls = count(next, id);
      const called = count(before, id);
      const score = called === 0 && calls > 0 ? Infinity : calls - called;
      if (score > bestScore) [best, bestScore] = [id, score];
    }
    open.delete(best);
    if (count(next, best) === 0 && bestScore <= 0) right.unshift(best);
    else left.push(best);
  }
  return [...left, ...right];
}
