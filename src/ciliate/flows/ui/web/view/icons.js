/** Outlines of icons, in a square of 16. */

export const CLOSE = "M4 4l8 8M12 4l-8 8";
export const DARK = "M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.5z";
export const LIGHT =
  "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1.1 1.1M11.9 11.9 13 13M13 3l-1.1 1.1M4.1 11.9 3 13";
export const DOWN = "M4 6l4 4 4-4";
export const PLUS = "M8 3v10M3 8h10";
export const MINUS = "M3 8h10";
export const FIT = "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10";
export const ARRANGE = "M2.5 3.5h4v3h-4zM2.5 9.5h4v3h-4zM9.5 6.5h4v3h-4zM6.5 5l3 2.5M6.5 11l3-2.5";
export const COPY = "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3";
export const EYE =
  "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8zM8 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4z";
export const SEARCH = "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.3 10.3l3.2 3.2";
export const UP = "M8 13V3M4 7l4-4 4 4";

/** Of cards, by what they are. */
export const CARD_ICONS = {
  world:
    "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM1.5 8h13M8 1.5c4 4 4 9 0 13M8 1.5c-4 4-4 9 0 13",
  node: "M2 3h12v4H2zM2 9h12v4H2zM4.5 5h.5M4.5 11h.5",
  workload: "M8 1.5l5.6 3.2v6.6L8 14.5l-5.6-3.2V4.7zM2.4 4.7 8 8l5.6-3.3M8 8v6.5",
  pod: "M8 2l5.2 3v6L8 14l-5.2-3V5z",
  dns: "M2.5 3.5h11v9h-11zM5 10V6l3 4V6M10.5 6v4",
};
