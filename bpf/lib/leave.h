/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Out of the node, for what a pod sends to no address of this node. */
#ifndef CILIATE_LEAVE_H
#define CILIATE_LEAVE_H

#include "masquerade.h"
#include "route.h"
#include "verdict.h"

/* Where a packet goes next, of what the kernel's table says. */
struct next_hop {
	__u32 ifindex;
	struct bpf_redir_neigh neighbour;
};

/*
 * Ask the kernel's table for the next hop. False: the stack must have the packet, because there is
 * none, or it is too long, or at the end of its TTL. A function of its own: what it asks with stays
 * off its caller's stack.
 */
static __noinline bool find_next_hop(struct __sk_buff *skb, const struct packet *packet,
				     struct next_hop *next_hop)
{
	__u16 length = segment_length(skb, packet);
	struct bpf_fib_lookup fib = {};
	long found;

	if (packet->has_options || packet->ttl <= 1 || exceeds_route_mtu(packet, length))
		return false;
	fib_fill(skb, packet, length, &fib);
	found = bpf_fib_lookup(skb, &fib, sizeof(fib), fib_flags);
	if (found != BPF_FIB_LKUP_RET_SUCCESS && found != BPF_FIB_LKUP_RET_NO_NEIGH)
		return false;
	next_hop->ifindex = fib.ifindex;
	next_hop->neighbour.nh_family = fib.family; /* the gateway's, perhaps not the packet's */
	__builtin_memcpy(next_hop->neighbour.ipv6_nh, fib.ipv6_dst,
			 sizeof(next_hop->neighbour.ipv6_nh));
	return true;
}

/*
 * One hop less, and to the next hop, resolved and sent by the neighbour layer. Returns the verdict.
 */
static __always_inline int send_to_next_hop(struct __sk_buff *skb, const struct flow *flow,
					    struct next_hop *next_hop)
{
	if (!decrement_ttl(skb, flow->packet))
		return drop(skb, flow, DROP_INVALID_PACKET);
	return forward(skb, flow,
		       bpf_redirect_neigh(next_hop->ifindex, &next_hop->neighbour,
					  sizeof(next_hop->neighbour), 0));
}

/*
 * Route first, since the device decides the source; then masquerade, mark that it is done, and
 * send. What the stack must have (route.h) is masqueraded at the device, when it gets there.
 * Returns the verdict.
 */
static __always_inline int leave(struct __sk_buff *skb, const struct flow *flow)
{
	struct next_hop next_hop = {};
	const struct opener pod = {
		.owner = flow->interface->endpoint_id,
		.identity = flow->interface->identity,
	};
	int error;

	if (!find_next_hop(skb, flow->packet, &next_hop))
		return pass(skb, flow);
	error = masquerade_pod(skb, flow->packet, &pod, next_hop.ifindex);
	if (error)
		return drop(skb, flow, error);
	mark_source_decided(skb);
	return send_to_next_hop(skb, flow, &next_hop);
}

#endif
