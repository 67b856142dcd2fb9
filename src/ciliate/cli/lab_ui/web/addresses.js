/** Addresses of both families as numbers, and which network has one. Pure. */

/** @typedef {{value: bigint, width: number}} Number an address's bits and how many there are */

/** @param {string} address @returns {Number | null} null: it is no address */
export function numbered(address) {
  return address.includes(":") ? numbered6(address) : numbered4(address);
}

function numbered4(address) {
  const parts = address.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) return null;
  return { value: parts.reduce((value, part) => value * 256n + BigInt(part), 0n), width: 32 };
}

function numbered6(address) {
  const halves = address.split("::");
  if (halves.length > 2) return null;
  const [head, tail] = halves.map((half) => half.split(":").filter(Boolean));
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (tail ? missing < 1 : missing) return null;
  const groups = tail ? [...head, ...new Array(missing).fill("0"), ...tail] : head;
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null;
  return { value: groups.reduce((value, group) => value * 65536n + BigInt(`0x${group}`), 0n), width: 128 };
}

/** Whether a network has an address. @param {string} address @param {string} network "10.244.0.0/24" */
export function isWithin(address, network) {
  const [start, length] = network.split("/"), of = numbered(start), one = numbered(address);
  if (!of || !one || of.width !== one.width) return false;
  const rest = BigInt(of.width - Number(length));
  return of.value >> rest === one.value >> rest;
}

/** Address and port, as they are typed. @param {string} address @param {number} [port] 0: none */
export function placeText(address, port = 0) {
  if (!port) return address;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
