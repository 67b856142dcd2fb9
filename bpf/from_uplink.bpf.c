/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * from_uplink: what arrives at a device of the node (tcx or tc ingress).
 * docs/DATAPATH.md, section "from_uplink"; the numbers are its steps.
 */
#include <linux/if_packet.h>

#include "lib/admit.h"
#include "lib/connections.h"
#include "lib/ipcache.h"
#include "lib/nat.h"
#include "lib/parse.h"
#include "lib/verdict.h"

/*
 * Which packets no other machine can have sent to a pod here: frames for a group (RFC 1122, 3.3.6),
 * and sources that are an address of this node or of a pod on it, or nobody's. The kernel's
 * forwarding refuses them too. 0 or a drop reason. Of a packet to the node the source need not be
 * looked up: the remote of a connection is never one of these, and the stack judges what is of
 * none.
 */
static __always_inline int judge_origin(__u32 type, const struct packet *packet, bool to_node)
{
	if (type != PACKET_HOST)
		return DROP_INVALID_DESTINATION_MAC;
	if (address_is_no_source(&packet->tuple.source, packet->is_v6))
		return DROP_INVALID_SOURCE_IP;
	if (!to_node && bpf_map_lookup_elem(&endpoints, &packet->tuple.source))
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
		if (!nat_may_have_port(packet->tuple.protocol, packet->tuple.destination_port))
			return NAT_MISS;
		return nat_in(skb, packet, owner);
	case L4_ECHO_REQUEST: /* a later piece of an echo reply looks like one */
		if (!packet->fragment_offset)
			return NAT_MISS;
		return nat_in(skb, packet, owner);
	case L4_ECHO_REPLY:
		return nat_in(skb, packet, owner);
	case L4_ICMP_ERROR: /* by whatever router, but by none of this node's addresses */
		if (bpf_map_lookup_elem(&endpoints, &packet->tuple.source))
			return NAT_MISS;
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

/*
 * Open a connection from outside. Outsiders answer for it together, until who opened it goes on
 * after the pod's answer; so forged packets cost no pod its room. Where the pod has a connection of
 * its own with this remote and these ports, that one stays.
 */
static __always_inline void open_inbound(struct __sk_buff *skb, const struct packet *packet,
					 __u32 identity)
{
	const struct opener outsider = {.owner = OWNER_OUTSIDE, .identity = identity};
	struct connection *connection =
		connection_begin(skb, packet, &outsider, CONNECTION_INBOUND);
	struct connection_ref ref;
	struct tuple key;

	if (!connection)
		return;
	ref = ref_of(connection);
	key = tuple_in(connection);
	if (bpf_map_update_elem(&conntrack, &key, &ref, BPF_NOEXIST))
		connection_discard(connection); /* another CPU was first */
	else
		connection_publish(connection);
}

/* Remember who opened a connection from outside, so that its replies are not masqueraded. */
static __always_inline void note_connection(struct __sk_buff *skb, struct flow *flow)
{
	struct packet *packet = flow->packet;
	struct ipcache_entry *source;
	struct connection *connection;

	if (in_native_prefix(&packet->tuple.source, packet->is_v6))
		return; /* nothing is masqueraded toward there */
	source = ipcache_lookup(&packet->tuple.source);
	if (source && is_never_masqueraded(source))
		return;
	if (parse_l4(skb, packet) || packet->l4_kind == L4_ICMP_ERROR ||
	    packet->l4_kind == L4_ICMP_OTHER || packet->l4_kind == L4_ECHO_REPLY)
		return;
	connection = connection_of_receiver(packet);
	if (connection && connection_is_over(connection)) {
		connection_finish(connection);
		connection = NULL;
	}
	if (!connection) {
		open_inbound(skb, packet, source ? source->identity : IDENTITY_WORLD);
		return;
	}
	connection_touch(skb, connection, packet, !(connection->flags & CONNECTION_INBOUND));
	connection_stands_for(connection, flow->receiver->endpoint_id);
}

SEC("tc")
int from_uplink(struct __sk_buff *skb)
{
	struct packet packet = {};
	struct flow flow = {.point = FROM_UPLINK, .packet = &packet};
	__u32 type = skb->pkt_type;
	int error;

	/* 1: for a VLAN device or a macvlan above this one, or for nobody here, as the stack finds
	 */
	if (has_vlan_tag(skb) || type == PACKET_OTHERHOST || !drop_priority_tag(skb))
		return pass(skb, &flow);

	if (parse_l3(skb, &packet)) /* 2: not IP, or not sound: the stack's to judge */
		return pass(skb, &flow);

	flow.receiver = bpf_map_lookup_elem(&endpoints, &packet.tuple.destination); /* 3 */
	if (!flow.receiver)
		return pass(skb, &flow);

	error = judge_origin(type, &packet, flow.receiver->flags & ENDPOINT_HOST); /* 4 */
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
