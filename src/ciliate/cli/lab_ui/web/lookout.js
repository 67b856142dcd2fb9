/** Asks for the picture again and again, and for what flows told of lately, while somebody sees it. */

import { askPicture, LabError } from "./lab_api.js";
import { readLately } from "./lately.js";

const LOOK_MS = 2000, LATELY_MS = 8000;

export class Lookout {
  /**
   * @param {import("../flow_api/observer.js").Observer} observer
   * @param {{isSeen: () => boolean, wantsLately: () => boolean, onPicture: (picture: any) => void, onLately: (seen: any[], problem: string) => void,
   *   onProblem: (problem: string) => void}} calls
   */
  constructor(observer, calls) {
    this.observer = observer;
    this.calls = calls;
    this.isLooking = false;
    this.latelyMs = -LATELY_MS;
  }

  async look() {
    if (this.isLooking) return;
    this.isLooking = true;
    while (this.calls.isSeen()) {
      if (!document.hidden) {
        await this.lookOnce();
        await this.readLately();
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    this.isLooking = false;
  }

  async lookOnce() {
    try {
      this.calls.onPicture(await askPicture());
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      this.calls.onProblem(error.message);
    }
  }

  async readLately() {
    if (!this.calls.wantsLately() || performance.now() - this.latelyMs < LATELY_MS) return;
    this.latelyMs = performance.now();
    try {
      this.calls.onLately(await readLately(this.observer), "");
    } catch (error) {
      this.calls.onLately([], error.message);
    }
  }
}
