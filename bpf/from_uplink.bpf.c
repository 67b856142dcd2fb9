/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * from_uplink: what arrives at a device of the node (tcx or tc ingress).
 * docs/DATAPATH.md, section "from_uplink"; the numbers are its steps.
 */
#include <linux/if_packet.h>

#include "lib/admit.h"
#include "lib/conntrack.h"
#include "lib/ipcache.h"
#include "lib/nat.h"
#include "lib/parse.h"
#include "lib/verdict.h"

/*
 * Which packets no other machine can have sent to a pod here: frames for a group (RFC 1122, 3.3.6),
 * and sources that are an address of this node or of a pod on it, or nobody's. The kernel's
 * forwarding refuses them too. 0 or a drop reason.
 */
static __always_inline int judge_origin(struct __sk_buff *skb, const struct packet *packet)
{
	if (skb->pkt_type != PACKET_HOST)
		return DROP_INVALID_DESTINATION_MAC;
	if (address_is_no_source(&packet->tuple.source, packet->is_v6) ||
	    bpf_map_lookup_elem(&endpoints, &packet->tuple.source))
		return DROP_INVALID_SOURCE_IP;
	return 0;
}

/* Asks `nat` where it can hold an answer; results are those of nat_in. */
static __always_inline int give_back(struct __sk_buff *skb, struct packet *packet,
				     struct ip_address *owner)
{
	if (parse_l4(skb, packet))
		return NAT_MISS; /* the stack may know better what to do with it */
	switch (packet->l4_kind) {
	case L4_PORTS:
		if (!nat_port_in_range(packet->tuple.destination_port))
			return NAT_MISS;
		return nat_in(skb, packet, owner);
	case L4_ECHO_REQUEST: /* a later piece of an echo reply looks like one */
		if (!packet->fragment_offset)
			return NAT_MISS;
		return nat_in(skb, packet, owner);
	case L4_ECHO_REPLY:
		return nat_in(skb, packet, owner);
	case L4_ICMP_ERROR:
		return nat_icmp_error(skb, packet, TUPLE_IN, owner);
	}
	return NAT_MISS;
}

/*
 * A packet to the node that answers a flow which a pod opened behind the node's address: its
 * destination becomes the pod again, and `flow->receiver` is that pod. 0, also when it is no such
 * answer and the node remains the receiver, or a drop reason.
 */
static __always_inline int undo_masquerade(struct __sk_buff *skb, struct flow *flow)
{
	struct ip_address owner;
	int result = give_back(skb, flow->packet, &owner);

	if (result)
		return result == NAT_MISS ? 0 : result;
	flow->receiver = bpf_map_lookup_elem(&endpoints, &owner);
	return flow->receiver ? 0 : DROP_STALE_OR_UNROUTABLE_IP; /* the pod is gone */
}

/* Remember who opened a connection from outside, so that its replies are not masqueraded. */
static __always_inline void note_connection(struct __sk_buff *skb, struct flow *flow)
{
	struct packet *packet = flow->packet;
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
	struct packet packet = {};
	struct flow flow = {.point = FROM_UPLINK, .packet = &packet};
	int error;

	/* 1: for a VLAN device or a macvlan above this one, or for nobody here, as the stack finds
	 */
	if (skb->vlan_present || skb->pkt_type == PACKET_OTHERHOST)
		return pass(skb, &flow);

	if (parse_l3(skb, &packet)) /* 2: not IP, or not sound: the stack's to judge */
		return pass(skb, &flow);

	flow.receiver = bpf_map_lookup_elem(&endpoints, &packet.tuple.destination); /* 3 */
	if (!flow.receiver)
		return pass(skb, &flow);

	error = judge_origin(skb, &packet); /* 4 */
	if (flow.receiver->flags & ENDPOINT_HOST) {
		if (error) /* to the node itself: the stack's to judge */
			return pass(skb, &flow);
		error = undo_masquerade(skb, &flow); /* 5, 6 */
		if (error)
			return drop(skb, &flow, error);
		if (flow.receiver->flags & ENDPOINT_HOST) /* no answer, or the node's own flow */
			return pass(skb, &flow);
	} else if (error) {
		return drop(skb, &flow, error);
	} else {
		note_connection(skb, &flow); /* 5, 8, 9 */
	}

	return admit(skb, &flow); /* 10 */
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
