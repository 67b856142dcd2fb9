/**
 * Views beside that of flows, by their names in the address: here there are none. A server that has some
 * serves a module of its own in the place of this one, as `ciliate lab ui` does.
 *
 * A view is a class with a `title`, an `element`, and `show(choice)`; `actionOf(flow)` says what it can do
 * with a flow: a text for a button, and what is chosen then.
 * @type {Record<string, any>}
 */
export const FURTHER = {};
