/** Lets a packet go over the picture from hop to hop, one after another, until somebody stops it. */

const STAY_MS = 750, STAY_CALL_MS = 1100;

/** Whether somebody wants nothing to move. */
export function isStill() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

export class Playback {
  /** @param {import("./drawing.js").Drawing} drawing @param {{onStep: (number: number) => void, onTurn: () => void}} calls */
  constructor(drawing, calls) {
    this.drawing = drawing;
    this.calls = calls;
    /** What tells this turn from a later one. @type {object | null} */
    this.turn = null;
  }

  get isOn() {
    return this.turn !== null;
  }

  stop() {
    this.turn = null;
    this.drawing.stop();
    this.calls.onTurn();
  }

  /** Go on behind a step; behind the last one it begins anew. @param {import("./way.js").Journey} journey @param {number} number */
  async play(journey, number) {
    const turn = (this.turn = {}), begin = number >= journey.steps.length ? 0 : number;
    this.calls.onTurn();
    for (const step of journey.steps.slice(begin)) {
      const { direction, steps, isCall } = journey.packets[step.packet];
      await this.drawing.travel(this.drawing.legOf(step.number), direction);
      if (this.turn !== turn) return;
      this.calls.onStep(step.number);
      await new Promise((resolve) => setTimeout(resolve, isCall ? STAY_CALL_MS : STAY_MS));
      if (this.turn !== turn) return;
      if (step === steps.at(-1)) await this.drawing.travel(this.drawing.legOf(step.number, true), direction);
      if (this.turn !== turn) return;
    }
    this.stop();
  }
}
