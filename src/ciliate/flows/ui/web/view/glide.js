/** Cards that stand go to their new places where somebody can see them go. */

const MOVE_MS = 320;

export class Glide {
  /** @param {() => void} onMove called when cards have moved */
  constructor(onMove) {
    this.onMove = onMove;
    this.frame = 0;
  }

  /** @param {{card: import("./card.js").CardView, x: number, y: number}[]} targets */
  begin(targets) {
    this.stop();
    const moves = targets.map(({ card, x, y }) => ({ card, x, y, fromX: card.x, fromY: card.y }));
    const isStill =
      matchMedia("(prefers-reduced-motion: reduce)").matches ||
      moves.every(({ x, y, fromX, fromY }) => fromX === x && fromY === y);
    const began = performance.now();
    const step = (now) => {
      const share = isStill ? 1 : Math.min(1, Math.max(0, (now - began) / MOVE_MS));
      const eased = 1 - (1 - share) ** 3;
      for (const { card, x, y, fromX, fromY } of moves) {
        card.x = fromX + (x - fromX) * eased;
        card.y = fromY + (y - fromY) * eased;
        card.place();
      }
      this.onMove();
      if (share < 1) this.frame = requestAnimationFrame(step);
    };
    step(began);
  }

  stop() {
    cancelAnimationFrame(this.frame);
  }
}
