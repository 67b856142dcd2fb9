/** The cell of a flow's end: a pod with its namespace, a Service, an address and what has it. */

import { RESERVED } from "../model/names.js";
import { el, setAttribute, setText } from "./dom.js";

/** Fill a cell with the parts of an end; return what says them. @param {HTMLElement} cell */
export function endCell(cell) {
  const before = el("span", { class: "before" });
  const name = el("span", { class: "name" });
  const after = el("span", { class: "after" });
  cell.append(before, name, after);
  /** @param {import("../model/flow.js").End} end */
  return (end, ip, title, port) => {
    const [first, second, third] = partsOf(end, ip, title, port ? `:${port}` : "");
    setText(before, first);
    setText(name, second);
    setText(after, third);
    name.classList.toggle("address", second === ip);
    setAttribute(cell, "title", [first + second, ip].filter(Boolean).join(" · "));
  };
}

function partsOf(end, ip, title, port) {
  if (end.pod) return [`${end.namespace}/`, end.pod, port];
  const address = ip ? ` ${ip}${port}` : port;
  if (title)
    return title.includes("/")
      ? [title.replace(/[^/]*$/, ""), title.replace(/^.*\//, ""), address]
      : ["", title, address];
  const what = RESERVED[end.identity] ?? (end.identity ? `identity ${end.identity}` : "");
  if (what === "world" || !what)
    return ["", ip || what || "?", `${port}${what && ip ? ` ${what}` : ""}`];
  return ["", what, address];
}
