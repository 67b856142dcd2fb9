/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * from_pod: what a pod sends, seen at the host side of its veth (tc ingress).
 * docs/DATAPATH.md, section "from_pod".
 */
#include "lib/arp.h"
#include "lib/discovery.h"
#include "lib/parse.h"
#include "lib/route.h"
#include "lib/verdict.h"

static __always_inline bool source_is_own(const struct packet *packet,
					  const struct interface *interface)
{
	if (packet->is_v6)
		return address_equal(&packet->tuple.source, &interface->ipv6);
	return address_equal(&packet->tuple.source, &interface->ipv4);
}

SEC("tc")
int from_pod(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct interface *interface = bpf_map_lookup_elem(&interfaces, &ifindex);
	struct endpoint *endpoint;
	struct packet packet = {};
	bool chained;
	int error;

	if (!interface)
		return drop(skb, DROP_UNKNOWN_ENDPOINT, FROM_POD);
	if (skb->vlan_present) /* the tag would leave with the packet, into a network of the node's
				*/
		return drop(skb, DROP_VLAN_NOT_ALLOWED, FROM_POD);
	chained = interface->flags & INTERFACE_CHAINED;
	if (skb->protocol == bpf_htons(ETH_P_ARP))
		return chained ? pass(skb, FROM_POD) : answer_arp(skb, interface);

	error = parse_l3(skb, &packet);
	if (error)
		return drop(skb, error == NOT_IP ? DROP_UNSUPPORTED_L3_PROTOCOL : error, FROM_POD);
	if (chained && stays_on_link(skb, &packet))
		return pass(skb, FROM_POD);
	if (is_neighbour_discovery(skb, &packet))
		return drop(skb, DROP_FORBIDDEN_ICMPV6, FROM_POD);
	if (verify_source && !source_is_own(&packet, interface))
		return drop(skb, DROP_INVALID_SOURCE_IP, FROM_POD);

	if (address_is_multicast(&packet.tuple.destination, packet.is_v6))
		return drop(skb, DROP_UNKNOWN_L3_TARGET, FROM_POD);

	if (interface->flags & INTERFACE_STACK_ROUTED)
		return pass(skb, FROM_POD);
	endpoint = bpf_map_lookup_elem(&endpoints, &packet.tuple.destination);
	if (!endpoint)
		return forward_by_fib(skb, &packet, FROM_POD);
	if (endpoint->flags & ENDPOINT_HOST)
		return pass(skb, FROM_POD);
	return deliver_to_pod(skb, &packet, endpoint, FROM_POD);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
