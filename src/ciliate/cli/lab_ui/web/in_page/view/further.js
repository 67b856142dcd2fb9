/** Served in the place of the page's `view/further.js`: the lab is a view beside that of flows. */

import { LAB, LabView } from "../lab/view.js";
import { el } from "./dom.js";

document.head.append(el("link", { rel: "stylesheet", href: new URL("../lab/style.css", import.meta.url) }));

/** Views by their names in the address. @type {Record<string, any>} */
export const FURTHER = { [LAB]: LabView };
