/** Things above each other, each as near as may be to where it would like to be. Pure. */

/**
 * The middles of things of some heights, in the order of their wishes, without an overlap, so that the
 * squares of how far they are from their wishes are least (isotonic regression).
 * @param {{wish: number, height: number}[]} things sorted by `wish`
 * @param {number} gap
 * @returns {number[]}
 */
export function stacked(things, gap) {
  /** @type {{sum: number, count: number}[]} those that touch each other */
  const groups = [];
  const offsets = [];
  let offset = 0;
  things.forEach(({ wish, height }, at) => {
    offset += at === 0 ? 0 : (things[at - 1].height + height) / 2 + gap;
    offsets.push(offset);
    groups.push({ sum: wish - offset, count: 1 });
    while (groups.length > 1 && mean(groups.at(-2)) > mean(groups.at(-1))) {
      const last = groups.pop();
      const before = groups.at(-1);
      before.sum += last.sum;
      before.count += last.count;
    }
  });
  const places = groups.flatMap((group) => new Array(group.count).fill(mean(group)));
  return places.map((place, at) => place + offsets[at]);
}

function mean({ sum, count }) {
  return sum / count;
}
