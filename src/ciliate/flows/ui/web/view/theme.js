/** Dark or light: as the machine has it, until somebody chooses. Runs before the page is drawn. */

const KEY = "ciliate-theme";

/** @returns {"dark" | "light"} */
export function theme() {
  const chosen = stored();
  if (chosen === "dark" || chosen === "light") return chosen;
  return matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
}

export function showTheme() {
  document.documentElement.dataset.theme = theme();
}

export function turnTheme() {
  const other = theme() === "dark" ? "light" : "dark";
  try {
    localStorage.setItem(KEY, other);
  } catch {
    // A browser that keeps nothing: chosen until the page is left.
  }
  document.documentElement.dataset.theme = other;
}

function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

showTheme();
matchMedia("(prefers-color-scheme: light)").addEventListener("change", showTheme);
