/** The bar between map and table: dragged, or moved by arrows; its place is remembered. */

import { el } from "./dom.js";

const KEY = "ciliate-split";
const LEAST = 12;
const MOST = 88;
const STEP = 4;

/** @param {HTMLElement} place has the style variable `--split`, a share in percent */
export function splitter(place) {
  const bar = el("div", {
    class: "splitter",
    role: "separator",
    tabindex: 0,
    "aria-orientation": "horizontal",
    "aria-label": "Share of the map",
    "aria-valuemin": LEAST,
    "aria-valuemax": MOST,
  });
  let share = Number(stored()) || 52;
  const set = (value) => {
    share = Math.max(LEAST, Math.min(MOST, value));
    place.style.setProperty("--split", `${share}%`);
    bar.setAttribute("aria-valuenow", String(Math.round(share)));
  };
  bar.addEventListener("pointerdown", (event) => {
    bar.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  bar.addEventListener("pointermove", (event) => {
    if (!bar.hasPointerCapture(event.pointerId)) return;
    const { top, height } = place.getBoundingClientRect();
    set(((event.clientY - top) / height) * 100);
  });
  bar.addEventListener("pointerup", () => store(share));
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowUp: -STEP, ArrowDown: STEP }[event.key];
    if (!step) return;
    event.preventDefault();
    set(share + step);
    store(share);
  });
  set(share);
  return bar;
}

function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function store(share) {
  try {
    localStorage.setItem(KEY, String(Math.round(share)));
  } catch {
    // A browser that keeps nothing.
  }
}
