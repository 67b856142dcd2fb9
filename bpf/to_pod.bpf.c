/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * to_pod: what the node's stack sends to a pod, seen at the host side of its veth (tc egress).
 * Packets from other pods and from the network do not pass here: they are redirected to the
 * pod's end. docs/DATAPATH.md, section "to_pod".
 */
#include "lib/discovery.h"
#include "lib/parse.h"
#include "lib/verdict.h"

static __always_inline bool destination_is_pod(const struct packet *packet,
					       const struct interface *interface)
{
	if (packet->is_v6)
		return address_equal(&packet->tuple.destination, &interface->ipv6);
	return address_equal(&packet->tuple.destination, &interface->ipv4);
}

SEC("tc")
int to_pod(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex;
	struct interface *interface = bpf_map_lookup_elem(&interfaces, &ifindex);
	struct packet packet = {};
	int error;

	if (!interface)
		return drop(skb, DROP_UNKNOWN_ENDPOINT, TO_POD);
	if (skb->protocol == bpf_htons(ETH_P_ARP))
		return pass(skb, TO_POD); /* our own answers, or another plugin's ARP */

	error = parse_l3(skb, &packet);
	if (error)
		return drop(skb, error == NOT_IP ? DROP_UNSUPPORTED_L3_PROTOCOL : error, TO_POD);
	if (interface->flags & INTERFACE_CHAINED && stays_on_link(skb, &packet))
		return pass(skb, TO_POD);
	if (!destination_is_pod(&packet, interface)) /* a route that outlived its endpoint */
		return drop(skb, DROP_STALE_OR_UNROUTABLE_IP, TO_POD);
	return pass(skb, TO_POD);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
