/** A page that cannot begin says why: a library is missing, or the browser is too old for it. */

addEventListener(
  "error",
  (event) => {
    const page = document.getElementById("page");
    if (page.querySelector("main")) return;
    const file = event.target.src ?? event.filename;
    const text = document.createElement("p");
    text.className = "fault note";
    text.textContent = `The page cannot begin: ${event.message ?? "a file is missing"} (${file})`;
    page.append(text);
  },
  { capture: true },
);
