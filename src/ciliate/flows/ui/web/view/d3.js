/**
 * The parts of d3 that the map needs, as Debian packages them: scripts that share a global object
 * (index.html). Its `event` is that of the moment.
 */

const { d3 } = globalThis;

for (const [part, name] of [
  ["forceSimulation", "d3-force"],
  ["zoom", "d3-zoom"],
  ["drag", "d3-drag"],
  ["select", "d3-selection"],
]) {
  if (typeof d3?.[part] !== "function") {
    throw new Error(`lib/${name}.js is missing: \`apt-get install node-${name}\` brings it`);
  }
}

export { d3 };
