/** What of the map is seen: moved and zoomed by hand, or all of it (d3-zoom). */

import { d3 } from "./d3.js";

const ZOOM = [0.15, 2.5];
const FIT_MAX = 1.1;
const MARGIN = 36;
const TITLE = 30;

export class Camera {
  /**
   * @param {SVGElement} canvas what is looked through
   * @param {SVGElement} world what moves
   * @param {HTMLElement} frame whose size it has
   */
  constructor(canvas, world, frame) {
    this.canvas = d3.select(canvas);
    this.world = world;
    this.frame = frame;
    /** Whether somebody moved it: it stays where it is then. */
    this.isFree = false;
    this.zoom = d3
      .zoom()
      .scaleExtent(ZOOM)
      .filter(() => !d3.event.button)
      .on("zoom", () => this.moved(d3.event.transform, d3.event.sourceEvent));
    this.canvas.call(this.zoom).on("dblclick.zoom", null);
  }

  /** Width by height of what is seen. */
  get aspect() {
    return Math.max(0.5, this.frame.clientWidth / Math.max(1, this.frame.clientHeight));
  }

  /** @param {number} factor above 1: nearer */
  scale(factor) {
    this.canvas.call(this.zoom.scaleBy, factor);
  }

  /** Show all of it. @param {{x: number, y: number, width: number, height: number}[]} boxes */
  fit(boxes) {
    const { clientWidth, clientHeight } = this.frame;
    if (!boxes.length || !clientWidth || !clientHeight) return;
    const left = Math.min(...boxes.map((box) => box.x));
    const right = Math.max(...boxes.map((box) => box.x + box.width));
    const top = Math.min(...boxes.map((box) => box.y)) - TITLE;
    const bottom = Math.max(...boxes.map((box) => box.y + box.height));
    const scale = Math.max(
      ZOOM[0],
      Math.min(
        FIT_MAX,
        (clientWidth - 2 * MARGIN) / (right - left),
        (clientHeight - 2 * MARGIN) / (bottom - top),
      ),
    );
    const x = clientWidth / 2 - (scale * (left + right)) / 2;
    const y = clientHeight / 2 - (scale * (top + bottom)) / 2;
    this.canvas.call(this.zoom.transform, d3.zoomIdentity.translate(x, y).scale(scale));
    this.isFree = false;
  }

  moved(transform, byHand) {
    this.world.setAttribute("transform", transform.toString());
    if (byHand) this.isFree = true;
  }
}
