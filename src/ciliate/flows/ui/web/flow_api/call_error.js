/** How a call failed, by gRPC's codes. 14, UNAVAILABLE, is also that nobody answered. */
export class CallError extends Error {
  /** @param {number} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export const UNKNOWN = 2,
  INVALID_ARGUMENT = 3,
  UNAVAILABLE = 14;
