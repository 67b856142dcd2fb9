/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The two manners of sending that skip the host's stack: to a local pod, and to the next hop of the
 * kernel's routing table. What they cannot do (no route, too big, TTL at its end) is left to the
 * stack, which answers with the right ICMP error; so are IPv4 options, which a router must judge
 * (RFC 1812, 5.2.4): source routes and what they record. admit.h says whether a pod gets a packet.
 */
#ifndef CILIATE_ROUTE_H
#define CILIATE_ROUTE_H

#include <bpf/bpf_endian.h>

#include "../config.h"
#include "../maps.h"
#include "packet.h"
#include "segment.h"
#include "verdict.h"

enum { ADDRESS_FAMILY_INET = 2, ADDRESS_FAMILY_INET6 = 10 };

/* The kernel refuses a route a smaller MTU (RFC 791: every link carries 68 octets). */
enum { ROUTE_MTU_MIN = 68 };

/*
 * One hop less, in the IP header that it checks to be there. False: the TTL is at its end and the
 * stack must say so.
 */
static __always_inline bool decrement_ttl(struct __sk_buff *skb, const struct packet *packet)
{
	void *ip = (void *)(long)skb->data + l2_header_bytes;
	void *end = (void *)(long)skb->data_end;

	if (packet->ttl <= 1)
		return false;
	if (packet->is_v6) {
		__u8 hop_limit = packet->ttl - 1;

		/* No checksum makes up for it: a sum that a device made of the packet changes. */
		return !bpf_skb_store_bytes(skb,
					    l2_header_bytes + offsetof(struct ipv6hdr, hop_limit),
					    &hop_limit, sizeof(hop_limit), BPF_F_RECOMPUTE_CSUM);
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

/*
 * Write the Ethernet header of a packet to a pod. One that came by a device without such headers
 * gets room for it first. False: there is none.
 */
static __always_inline bool write_ethernet(struct __sk_buff *skb, const struct endpoint *receiver)
{
	struct ethhdr *ethernet;

	if (!l2_header_bytes && bpf_skb_change_head(skb, ETH_HLEN, 0))
		return false;
	ethernet = (void *)(long)skb->data;
	if ((void *)(ethernet + 1) > (void *)(long)skb->data_end)
		return false;
	__builtin_memcpy(ethernet->h_dest, receiver->mac, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, receiver->node_mac, ETH_ALEN);
	ethernet->h_proto = skb->protocol;
	return true;
}

/* To the pod `flow->receiver`, straight to the far end of its veth. Returns the verdict. */
static __always_inline int send_to_peer(struct __sk_buff *skb, const struct flow *flow)
{
	if (flow->packet->has_options || !decrement_ttl(skb, flow->packet))
		return pass(skb, flow);
	if (!write_ethernet(skb, flow->receiver))
		return drop(skb, flow, DROP_INVALID_PACKET);
	return forward(skb, flow, TRACE_TO_ENDPOINT, bpf_redirect_peer(flow->receiver->ifindex, 0));
}

/*
 * What the kernel's table is asked: addresses in network order, the device it came in by, and
 * whether `length` fits the device's MTU, or one that was learned for the destination.
 */
static __always_inline void fib_fill(struct __sk_buff *skb, const struct packet *packet,
				     __u16 length, struct bpf_fib_lookup *fib)
{
	fib->ifindex = skb->ifindex;
	fib->tot_len = length;
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
 * The MTU of a route to the destination, where `length` is more; else 0. bpf_fib_lookup passes over
 * it unless it is locked; forwarding by the stack does not (ip_dst_mtu_maybe_forward). A longer
 * prefix without an MTU may be the better match: the stack knows, and forwards such a packet.
 */
static __always_inline __u32 exceeded_route_mtu(const struct packet *packet, __u16 length)
{
	struct prefix_key key = {
		.prefix_length = 128,
		.address = packet->tuple.destination,
	};
	__u32 *mtu;

	if (length <= ROUTE_MTU_MIN)
		return 0;
	mtu = bpf_map_lookup_elem(&route_mtus, &key);
	return mtu && length > *mtu ? *mtu : 0;
}

#endif
