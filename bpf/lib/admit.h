/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Into a pod of this node. All four ways pass admit: from another pod, from the network, as the
 * answer of a masqueraded flow, and from the node's stack. It cannot be to_pod alone, because
 * bpf_redirect_peer puts the packet at the pod's end of the veth and to_pod never sees it.
 */
#ifndef CILIATE_ADMIT_H
#define CILIATE_ADMIT_H

#include "route.h"
#include "service_flow.h"
#include "verdict.h"

/*
 * Let the packet into the pod `flow->receiver`, or at to_pod into the pod of this device. Where
 * rules of others (portmap's, another plugin's) follow the pod's connections, it goes by the stack
 * and is admitted at to_pod, behind those rules. Returns the verdict.
 */
static __always_inline int admit(struct __sk_buff *skb, const struct flow *flow)
{
	__u32 number =
		flow->point == TO_POD ? flow->interface->endpoint_id : flow->receiver->endpoint_id;
	int error;

	if (flow->point != TO_POD && flow->receiver->flags & ENDPOINT_STACK_ROUTED)
		return pass(skb, flow);
	if (is_service_end(number)) {
		error = restore_asked(skb, flow->packet);
		if (error)
			return drop(skb, flow, error);
	}
	/* Policy stands here, once it comes: every packet is seen here exactly once. */
	if (flow->point == TO_POD)
		return pass(skb, flow);
	return send_to_peer(skb, flow);
}

#endif
