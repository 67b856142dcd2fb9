/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Out of the node, for what a pod sends to no address of this node. */
#ifndef CILIATE_LEAVE_H
#define CILIATE_LEAVE_H

#include "masquerade.h"
#include "route.h"
#include "verdict.h"

/*
 * Route first, since the device decides the source; then masquerade, mark that it is done, and
 * send. What the stack must have (route.h) is masqueraded at the device, when it gets there.
 * Returns the verdict.
 */
static __always_inline int leave(struct __sk_buff *skb, const struct flow *flow)
{
	struct bpf_fib_lookup fib = {};
	const struct opener pod = {
		.owner = flow->interface->endpoint_id,
		.identity = flow->interface->identity,
	};
	int error;

	if (!find_next_hop(skb, flow->packet, &fib))
		return pass(skb, flow);
	error = masquerade_pod(skb, flow->packet, &pod, fib.ifindex);
	if (error)
		return drop(skb, flow, error);
	mark_source_decided(skb);
	return send_to_next_hop(skb, flow, &fib);
}

#endif
