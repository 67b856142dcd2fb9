/** What flows named so far: what the box of filters can complete. Pure. */

const EACH_MAX = 2000;
const OFFERED_MAX = 12;
/** Labels that every pod of a namespace has say nothing that the namespace does not. */
const COMMON = /^k8s:io\.(cilium\.k8s|kubernetes\.pod\.namespace)/;

export class Known {
  constructor() {
    /** @type {Record<string, Map<string, string>>} kind -> value -> what it is called */
    this.values = Object.fromEntries(
      ["pod", "namespace", "label", "node", "workload", "identity", "port", "ip", "service"].map(
        (kind) => [kind, new Map()],
      ),
    );
    this.ends = new WeakSet();
  }

  /** @param {import("./flow.js").Row} row */
  note(row) {
    this.noteEnd(row.source);
    this.noteEnd(row.destination);
    this.add("node", row.node);
    this.add("ip", row.sourceIp);
    this.add("ip", row.destinationIp);
    if (row.destinationPort && row.reply !== true) this.add("port", String(row.destinationPort));
    if (row.destinationName.includes("/")) this.add("service", row.destinationName);
  }

  /** @param {import("./flow.js").End} end shared by its flows: looked at once */
  noteEnd(end) {
    if (this.ends.has(end)) return;
    this.ends.add(end);
    if (end.pod) this.add("pod", `${end.namespace}/${end.pod}`);
    this.add("namespace", end.namespace);
    if (end.workload) this.add("workload", `${end.kind}/${end.workload}`);
    if (end.identity)
      this.add("identity", String(end.identity), end.workload || end.pod || end.labels[0]);
    for (const label of end.labels)
      if (!COMMON.test(label)) this.add("label", label.replace(/^k8s:/, ""));
  }

  add(kind, value, title = "") {
    const values = this.values[kind];
    if (value && values.size < EACH_MAX && !values.has(value)) values.set(value, title ?? "");
  }

  /** Values that a text may be the beginning of: those that begin so come first.
   * @param {string} kind @param {string} text @returns {{value: string, title: string}[]} */
  offer(kind, text) {
    const begin = text.toLowerCase();
    const first = [];
    const second = [];
    for (const [value, title] of this.values[kind] ?? []) {
      const at = value.toLowerCase().indexOf(begin);
      if (at === 0) first.push({ value, title });
      else if (at > 0 || (begin && title.toLowerCase().includes(begin)))
        second.push({ value, title });
      if (first.length >= OFFERED_MAX) break;
    }
    return [...first.sort(byValue), ...second.sort(byValue)].slice(0, OFFERED_MAX);
  }
}

function byValue(one, other) {
  return one.value.localeCompare(other.value, "en", { numeric: true });
}
