/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The two manners of sending that skip the host's stack: to a local pod, and to the next hop of the
 * kernel's routing table. What they cannot do (no route, too big, TTL at its end) is left to the
 * stack, which answers with the right ICMP error. admit.h says whether a pod gets a packet at all.
 */
#ifndef CILIATE_ROUTE_H
#define CILIATE_ROUTE_H

#include <bpf/bpf_endian.h>

#include "../config.h"
#include "packet.h"
#include "verdict.h"

enum { ADDRESS_FAMILY_INET = 2, ADDRESS_FAMILY_INET6 = 10 };

/*
 * One hop less, in the IP header that it checks to be there. False: the TTL is at its end and the
 * stack must say so.
 */
static __always_inline bool decrement_ttl(struct __sk_buff *skb, const struct packet *packet)
{
	void *ip = (void *)(long)skb->data + ETH_HLEN;
	void *end = (void *)(long)skb->data_end;

	if (packet->ttl <= 1)
		return false;
	if (packet->is_v6) {
		struct ipv6hdr *v6 = ip;

		if ((void *)(v6 + 1) > end)
			return false;
		v6->hop_limit--;
	} else {
		struct iphdr *v4 = ip;
		__u32 check;

		if ((void *)(v4 + 1) > end)
			return false;
		v4->ttl--;
		check = v4->check + bpf_htons(0x0100); /* RFC 1141 */
		v4->check = (__u16)(check + (check > 0xffff));
	}
	return true;
}

/* Write both MACs of the Ethernet header, which it checks to be there. */
static __always_inline bool set_macs(struct __sk_buff *skb, const __u8 destination[ETH_ALEN],
				     const __u8 source[ETH_ALEN])
{
	struct ethhdr *ethernet = (void *)(long)skb->data;

	if ((void *)(ethernet + 1) > (void *)(long)skb->data_end)
		return false;
	__builtin_memcpy(ethernet->h_dest, destination, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, source, ETH_ALEN);
	return true;
}

/* To the pod `flow->receiver`, straight to the far end of its veth. Returns the verdict. */
static __always_inline int send_to_peer(struct __sk_buff *skb, const struct flow *flow)
{
	if (!decrement_ttl(skb, flow->packet))
		return pass(skb, flow);
	if (!set_macs(skb, flow->receiver->mac, flow->receiver->node_mac))
		return drop(skb, flow, DROP_INVALID_PACKET);
	return forward(skb, flow, bpf_redirect_peer(flow->receiver->ifindex, 0));
}

/* What the kernel's table is asked: addresses in network order, and the device it came in by. */
static __always_inline void fib_fill(struct __sk_buff *skb, const struct packet *packet,
				     struct bpf_fib_lookup *fib)
{
	fib->ifindex = skb->ifindex;
	fib->l4_protocol = packet->tuple.protocol;
	if (packet->is_v6) {
		fib->family = ADDRESS_FAMILY_INET6;
		__builtin_memcpy(fib->ipv6_src, &packet->tuple.source, sizeof(fib->ipv6_src));
		__builtin_memcpy(fib->ipv6_dst, &packet->tuple.destination, sizeof(fib->ipv6_dst));
	} else {
		fib->family = ADDRESS_FAMILY_INET;
		fib->ipv4_src = packet->tuple.source.words[3];
		fib->ipv4_dst = packet->tuple.destination.words[3];
	}
}

/*
 * To the next hop the kernel's table names, resolved and sent by the neighbour layer. Returns the
 * verdict.
 */
static __always_inline int send_to_next_hop(struct __sk_buff *skb, const struct flow *flow)
{
	struct bpf_redir_neigh next_hop = {};
	struct bpf_fib_lookup fib = {};
	long found;

	fib_fill(skb, flow->packet, &fib);
	found = bpf_fib_lookup(skb, &fib, sizeof(fib), fib_flags);
	if (found != BPF_FIB_LKUP_RET_SUCCESS && found != BPF_FIB_LKUP_RET_NO_NEIGH)
		return pass(skb, flow);
	if (!decrement_ttl(skb, flow->packet))
		return pass(skb, flow);
	next_hop.nh_family = fib.family; /* the gateway's, which may differ from the packet's */
	__builtin_memcpy(next_hop.ipv6_nh, fib.ipv6_dst, sizeof(next_hop.ipv6_nh));
	return forward(skb, flow, bpf_redirect_neigh(fib.ifindex, &next_hop, sizeof(next_hop), 0));
}

#endif
