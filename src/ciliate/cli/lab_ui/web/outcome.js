/** What became of a connection. Pure. */

/** What a socket's call is named among packets. */
export const CALL = "call";
const ICMP_ERROR = /Unreachable|TimeExceeded|Time exceeded|TooBig|ParameterProblem/i;

/** @param {any} way @returns {"refused" | "dropped" | "no answer" | "error" | "reset" | "answered"} */
export function outcomeOf(way) {
  const packets = way.packets, replies = packets.filter((each) => each.direction === "reply" && each.packet !== CALL);
  if (way.refused) return "refused";
  if (packets.some((packet) => packet.hops.some((hop) => hop.drop))) return "dropped";
  if (!replies.length) return "no answer";
  if (replies.every((each) => ICMP_ERROR.test(each.packet))) return "error";
  return /\bRST\b/.test(replies[0].packet) ? "reset" : "answered";
}
