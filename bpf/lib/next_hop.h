/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* To the next hop of the kernel's routing table, or in the tunnel to the node that has the pod. */
#ifndef CILIATE_NEXT_HOP_H
#define CILIATE_NEXT_HOP_H

#include "compiler.h"
#include "decision.h"
#include "encapsulate.h"
#include "route.h"
#include "verdict.h"

/* Where a packet goes next, of what the kernel's table says, or the cluster. */
struct next_hop {
	__u32 ifindex;
	struct bpf_redir_neigh neighbour; /* no family: a tunnel, and the address where it ends */
	__u32 mtu; /* of what is ahead, where the packet is too long for it; else 0 */
};

/* Is the next hop that was found a tunnel? */
static __always_inline bool is_tunnel(const struct next_hop *next_hop)
{
	return encapsulates && next_hop->ifindex && !next_hop->neighbour.nh_family;
}

/* Does the packet go in a tunnel? Then that is its next hop, unless it is too long for it. */
static __always_inline bool find_tunnel(const struct packet *packet, __u16 length,
					struct next_hop *next_hop)
{
	const struct ip_address *node = tunnel_endpoint(&packet->tuple.destination);
	const struct tunnel_device *device = tunnel_device_here();

	if (!node || !device)
		return false;
	next_hop->ifindex = device->ifindex;
	__builtin_memcpy(next_hop->neighbour.ipv6_nh, node, sizeof(*node));
	if (length > device->mtu)
		next_hop->mtu = device->mtu;
	note_next_hop(device->ifindex, 0, node->words);
	return true;
}

/*
 * Ask for the next hop: the cluster, where pods of other nodes are reached in a tunnel, then the
 * kernel's table. False: the stack must have the packet, because there is none, or it is too long,
 * or at the end of its TTL.
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
	if (encapsulates && find_tunnel(packet, length, next_hop))
		return !next_hop->mtu;
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

/* Who sends, for the node at the other end of a tunnel: a pod here, or a client outside. */
static __always_inline __u32 identity_of_sender(const struct flow *flow)
{
	return flow->interface ? flow->interface->identity : IDENTITY_WORLD;
}

/*
 * One hop less, and to the next hop, resolved and sent by the neighbour layer; or in the tunnel.
 * Returns the verdict.
 */
static __always_inline int send_to_next_hop(struct __sk_buff *skb, const struct flow *flow,
					    struct next_hop *next_hop)
{
	if (is_tunnel(next_hop))
		return send_in_tunnel(skb, flow, next_hop->ifindex,
				      (const struct ip_address *)next_hop->neighbour.ipv6_nh,
				      identity_of_sender(flow));
	if (!decrement_ttl(skb, flow->packet))
		return drop(skb, flow, DROP_INVALID_PACKET);
	return forward(skb, flow, TRACE_TO_NETWORK,
		       bpf_redirect_neigh(next_hop->ifindex, &next_hop->neighbour,
					  sizeof(next_hop->neighbour), 0));
}

#endif
