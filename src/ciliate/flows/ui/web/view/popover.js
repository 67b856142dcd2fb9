/** A panel that a button opens: Escape and a click elsewhere close it, focus goes back to the button. */

import { el } from "./dom.js";

export class Popover {
  /**
   * @param {HTMLElement} button
   * @param {{label: string, onOpen: (panel: HTMLElement) => void}} settings
   */
  constructor(button, { label, onOpen }) {
    this.button = button;
    this.onOpen = onOpen;
    this.panel = el("div", { class: "popover", role: "dialog", "aria-label": label, hidden: true });
    this.element = el("div", { class: "popover-place" }, button, this.panel);
    button.setAttribute("aria-haspopup", "dialog");
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => (this.isOpen ? this.close() : this.open()));
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.isOpen) return;
      event.stopPropagation();
      this.close();
      button.focus();
    });
    document.addEventListener("pointerdown", (event) => {
      if (!this.element.contains(/** @type {Node} */ (event.target))) this.close();
    });
    this.element.addEventListener("focusout", (event) => {
      if (event.relatedTarget && !this.element.contains(event.relatedTarget)) this.close();
    });
  }

  get isOpen() {
    return !this.panel.hidden;
  }

  open() {
    this.panel.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    this.onOpen(this.panel);
    this.panel.querySelector("input, button")?.focus();
  }

  close() {
    this.panel.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
  }
}
