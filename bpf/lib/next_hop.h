/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* To the next hop of the kernel's routing table. */
#ifndef CILIATE_NEXT_HOP_H
#define CILIATE_NEXT_HOP_H

#include "compiler.h"
#include "decision.h"
#include "route.h"
#include "verdict.h"

/* Where a packet goes next, of what the kernel's table says. */
struct next_hop {
	__u32 ifindex;
	struct bpf_redir_neigh neighbour;
	__u32 mtu; /* of what is ahead, where the packet is too long for it; else 0 */
};

/*
 * Ask the kernel's table for the next hop. False: the stack must have the packet, because there is
 * none, or it is too long, or at the end of its TTL.
 */
__verified_once bool find_next_hop(struct __sk_buff *skb, const struct packet *packet,
				   struct next_hop *next_hop)
{
	struct bpf_fib_lookup fib = {};
	__u16 length;
	long found;

	if (!packet || !next_hop || packet->has_options || packet->ttl <= 1)
		return false;
	length = segment_length(skb, packet);
	next_hop->mtu = exceeded_route_mtu(packet, length);
	if (next_hop->mtu)
		return false;
	fib_fill(skb, packet, length, &fib);
	found = bpf_fib_lookup(skb, &fib, sizeof(fib), fib_flags);
	if (found == BPF_FIB_LKUP_RET_FRAG_NEEDED)
		next_hop->mtu = fib.mtu_result;
	if (found != BPF_FIB_LKUP_RET_SUCCESS && found != BPF_FIB_LKUP_RET_NO_NEIGH)
		return false;
	note_next_hop(fib.ifindex, fib.family, fib.ipv6_dst);
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
	return forward(skb, flow, TRACE_TO_NETWORK,
		       bpf_redirect_neigh(next_hop->ifindex, &next_hop->neighbour,
					  sizeof(next_hop->neighbour), 0));
}

#endif
