/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The pod that a device of this node belongs to, and which addresses are its own. */
#ifndef CILIATE_INTERFACE_H
#define CILIATE_INTERFACE_H

#include "../maps.h"
#include "address.h"
#include "flow.h"

/* The pod behind the device this packet is at; NULL: the agent knows of none. */
static __always_inline const struct interface *interface_of(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;

	return bpf_map_lookup_elem(&interfaces, &ifindex);
}

/* Did another plugin make the pod's interface? */
static __always_inline bool is_chained(const struct flow *flow)
{
	return flow->interface->flags & INTERFACE_CHAINED;
}

/* Is `address`, one of the packet's, the pod's own of that family? A pod without one has none. */
static __always_inline bool is_own_address(const struct flow *flow,
					   const struct ip_address *address)
{
	if (flow->packet->is_v6)
		return address_equal(address, &flow->interface->ipv6) && !address_is_zero(address);
	return address_equal(address, &flow->interface->ipv4);
}

#endif
