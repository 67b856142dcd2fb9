/** Brings out a card with its links, or a link with its cards; the others step back. */

export class Spotlight {
  /**
   * @param {Element} canvas
   * @param {() => Iterable<import("./card.js").CardView>} cards
   * @param {() => Iterable<import("./link.js").LinkView>} links
   */
  constructor(canvas, cards, links) {
    this.canvas = canvas;
    this.cards = cards;
    this.links = links;
    this.lit = null;
  }

  /** @param {import("./card.js").CardView | null} card @param {import("./link.js").LinkView | null} link */
  turn(card, link) {
    if (this.lit === (card ?? link)) return;
    this.lit = card ?? link;
    this.canvas.classList.toggle("pointed", this.lit !== null);
    const near = new Set([card]);
    for (const each of this.links()) {
      const isLit = each === link || (card !== null && (each.from === card || each.to === card));
      each.element.classList.toggle("lit", isLit);
      if (isLit) near.add(each.from).add(each.to);
    }
    for (const each of this.cards()) each.element.classList.toggle("lit", near.has(each));
  }
}
