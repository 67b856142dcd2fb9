/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * from_uplink: what arrives at a device of the node (tcx or tc ingress).
 * docs/DATAPATH.md, section "from_uplink".
 */
#include "lib/conntrack.h"
#include "lib/ipcache.h"
#include "lib/nat.h"
#include "lib/parse.h"
#include "lib/route.h"
#include "lib/verdict.h"

/* A packet to the node: is it the answer to a flow that a pod opened behind the node's address? */
static __always_inline int undo_masquerade(struct __sk_buff *skb, struct packet *packet,
					   struct ip_address *pod, bool *hit)
{
	int error = parse_l4(skb, packet);

	if (error)
		return 0; /* the stack may know better what to do with it */
	switch (packet->l4_kind) {
	case L4_PORTS:
		if (!nat_port_in_range(packet->tuple.destination_port))
			return 0;
		return nat_in(skb, packet, pod, hit);
	case L4_ECHO_REQUEST:
		if (!packet->fragment_offset)
			return 0;
		return nat_in(skb, packet, pod, hit);
	case L4_ECHO_REPLY:
		return nat_in(skb, packet, pod, hit);
	case L4_ICMP_ERROR:
		return nat_icmp_error(skb, packet, TUPLE_IN, pod, hit);
	}
	return 0;
}

/* Remember who opened a connection from outside, so that its replies are not masqueraded. */
static __always_inline void note_connection(struct __sk_buff *skb, struct packet *packet)
{
	struct ipcache_entry *source;

	if (in_native_prefix(&packet->tuple.source, packet->is_v6))
		return; /* nothing is masqueraded toward there */
	source = ipcache_lookup(&packet->tuple.source);
	if (source && is_never_masqueraded(source))
		return;
	if (parse_l4(skb, packet) || packet->l4_kind == L4_OTHER ||
	    packet->l4_kind == L4_ICMP_ERROR || packet->l4_kind == L4_ICMP_OTHER)
		return;
	connection_from_outside(skb, packet, source ? source->identity : IDENTITY_WORLD);
}

SEC("tc")
int from_uplink(struct __sk_buff *skb)
{
	struct endpoint *endpoint;
	struct packet packet = {};

	if (skb->vlan_present) /* for a VLAN device above this one */
		return pass(skb, FROM_UPLINK);
	if (parse_l3(skb, &packet))
		return pass(skb, FROM_UPLINK); /* not IP, or not sound: the stack's to judge */

	endpoint = bpf_map_lookup_elem(&endpoints, &packet.tuple.destination);
	if (!endpoint)
		return pass(skb, FROM_UPLINK);
	if (endpoint->flags & ENDPOINT_HOST) {
		struct ip_address pod = {};
		bool hit = false;
		int error = undo_masquerade(skb, &packet, &pod, &hit);

		if (error)
			return drop(skb, error, FROM_UPLINK);
		if (!hit)
			return pass(skb, FROM_UPLINK);
		endpoint = bpf_map_lookup_elem(&endpoints, &pod);
		if (!endpoint)
			return drop(skb, DROP_STALE_OR_UNROUTABLE_IP, FROM_UPLINK);
		if (endpoint->flags & ENDPOINT_HOST) /* the node's own flow, on another port */
			return pass(skb, FROM_UPLINK);
		return deliver_to_pod(skb, &packet, endpoint, FROM_UPLINK);
	}
	note_connection(skb, &packet);
	return deliver_to_pod(skb, &packet, endpoint, FROM_UPLINK);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
