/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is for the pod's own link: neighbour discovery, groups, link-local addresses. */
#ifndef CILIATE_DISCOVERY_H
#define CILIATE_DISCOVERY_H

#include "parse.h"

/* Neighbour discovery, router discovery and redirects: RFC 4861, types 133 to 137. */
enum { ND_FIRST = 133, ND_LAST = 137 };

static __always_inline bool is_neighbour_discovery(struct __sk_buff *skb,
						   const struct packet *packet)
{
	__u8 type;

	return packet->is_v6 && packet->tuple.protocol == IPPROTO_ICMPV6 &&
	       !packet->fragment_offset &&
	       !bpf_skb_load_bytes(skb, packet->l4_offset, &type, sizeof(type)) &&
	       type >= ND_FIRST && type <= ND_LAST;
}

/*
 * On another plugin's link that plugin's network answers: its bridge floods groups, its gateway
 * asks for neighbours. None of it is ever routed.
 */
static __always_inline bool stays_on_link(struct __sk_buff *skb, const struct packet *packet)
{
	const struct ip_address *destination = &packet->tuple.destination;

	return address_is_multicast(destination, packet->is_v6) ||
	       address_is_link_local(destination, packet->is_v6) ||
	       is_neighbour_discovery(skb, packet);
}

#endif
