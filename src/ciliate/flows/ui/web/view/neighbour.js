/** To which card an arrow key goes. Pure. */

const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * The nearest card in a direction: what lies straight ahead is nearer than what lies aside.
 * @param {{x: number, y: number}} card @param {string} key @param {{x: number, y: number}[]} cards
 */
export function neighbour(card, key, cards) {
  const [wayX, wayY] = WAYS[key] ?? [0, 0];
  let best;
  let bestFar = Infinity;
  for (const other of cards) {
    const x = other.x - card.x;
    const y = other.y - card.y;
    const ahead = x * wayX + y * wayY;
    const aside = Math.abs(x * wayY) + Math.abs(y * wayX);
    if (other === card || ahead <= 1) continue;
    const far = ahead + 2 * aside;
    if (far < bestFar) [best, bestFar] = [other, far];
  }
  return best;
}
