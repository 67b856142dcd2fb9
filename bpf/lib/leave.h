/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Out of the node, for what a pod sends to no address of this node. */
#ifndef CILIATE_LEAVE_H
#define CILIATE_LEAVE_H

#include "masquerade.h"
#include "next_hop.h"
#include "verdict.h"

/*
 * Route first, since the device decides the source; then masquerade, mark that it is done, and
 * send. What the stack must have (route.h) is masqueraded at the device, when it gets there. What
 * goes in a tunnel is for the cluster: only what its connection says is translated. Returns the
 * verdict.
 */
static __always_inline int leave(struct __sk_buff *skb, const struct flow *flow)
{
	struct next_hop next_hop = {};
	const struct opener pod = {
		.owner = flow->interface->endpoint_id,
		.identity = flow->interface->identity,
	};
	int error;

	if (!find_next_hop(skb, flow->packet, &next_hop)) {
		note_step(DECISION_STACK);
		return pass(skb, flow);
	}
	if (is_tunnel(&next_hop) && !flow->connection) {
		note_step(DECISION_CLUSTER);
	} else {
		error = masquerade_pod(skb, flow, &pod, next_hop.ifindex);
		if (error)
			return drop(skb, flow, error);
	}
	mark_source_decided(skb);
	return send_to_next_hop(skb, flow, &next_hop);
}

#endif
