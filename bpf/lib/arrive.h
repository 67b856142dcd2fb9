/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What arrives from other machines, at a device of the node or out of a tunnel: to pods, to the
 * node as the answer of something masqueraded, to Services. docs/DATAPATH.md, section
 * "from_uplink"; the numbers are its steps.
 */
#ifndef CILIATE_ARRIVE_H
#define CILIATE_ARRIVE_H

#include <linux/if_packet.h>

#include "admit.h"
#include "connections.h"
#include "ipcache.h"
#include "mark.h"
#include "nat.h"
#include "next_hop.h"
#include "parse.h"
#include "refuse.h"
#include "service_flow.h"
#include "verdict.h"

/*
 * Which packets no other machine can have sent to a pod here: frames for a group (RFC 1122, 3.3.6),
 * and sources that are an address of this node or of a pod on it, or nobody's. The kernel's
 * forwarding refuses them too. And by which a pod knows itself as a Service's backend: who sends
 * from there would have the answers of pods to themselves. 0 or a drop reason. Of a packet to the
 * node the source need not be looked up: the remote of a connection is never one of these, and the
 * stack judges what is of none.
 */
static __always_inline int judge_origin(__u32 type, const struct packet *packet, bool to_node)
{
	if (type != PACKET_HOST)
		return DROP_INVALID_DESTINATION_MAC;
	if (address_is_no_source(&packet->tuple.source, packet->is_v6) ||
	    address_is_service_loopback(&packet->tuple.source, packet->is_v6))
		return DROP_INVALID_SOURCE_IP;
	if (!to_node && bpf_map_lookup_elem(&endpoints, &packet->tuple.source))
		return DROP_INVALID_SOURCE_IP;
	return 0;
}

/* Asks `nat` where it can hold an answer; results are those of nat_in. */
static __always_inline int give_back(struct __sk_buff *skb, struct flow *flow,
				     struct ip_address *owner)
{
	struct packet *packet = flow->packet;
	int result;

	if (parse_l4(skb, packet))
		return NAT_MISS; /* the stack may know better what to do with it */
	switch (packet->l4_kind) {
	case L4_PORTS:
		if (!nat_may_have_port(packet->tuple.protocol, packet->tuple.destination_port))
			return NAT_MISS;
		return nat_in(skb, packet, owner, &flow->connection);
	case L4_ECHO_REQUEST: /* a later piece of an echo reply looks like one */
		if (!packet->fragment_offset)
			return NAT_MISS;
		return nat_in(skb, packet, owner, &flow->connection);
	case L4_ECHO_REPLY:
		return nat_in(skb, packet, owner, &flow->connection);
	case L4_ICMP_ERROR: /* by whatever router, but by none of this node's addresses */
		if (bpf_map_lookup_elem(&endpoints, &packet->tuple.source))
			return NAT_MISS;
		result = nat_icmp_error(skb, packet, TUPLE_IN, owner);
		return result == NAT_MISS && services_by_packet ? NAT_SERVED : result;
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
	int result = give_back(skb, flow, &owner);

	if (result)
		return result == NAT_MISS ? 0 : result; /* or NAT_ONWARD */
	flow->receiver = bpf_map_lookup_elem(&endpoints, &owner);
	return flow->receiver ? 0 : DROP_STALE_OR_UNROUTABLE_IP; /* the pod is gone */
}

/*
 * Is a packet to no pod one to a Service? Ports of the node that are no node ports are asked for
 * first, since most packets to the node are of its own connections. One to a backend of this node
 * that is known has `flow->connection`; the rest is for serve_outside.
 */
static __always_inline bool client_asks_service(struct __sk_buff *skb, struct flow *flow,
						__u32 type)
{
	struct packet *packet = flow->packet;
	const struct tuple *tuple = &packet->tuple;
	struct frontend_key key = {.address = tuple->destination, .protocol = tuple->protocol};
	struct connection *connection;

	if (!services_by_packet || (flow->receiver && !(flow->receiver->flags & ENDPOINT_HOST)))
		return false;
	if (parse_l4(skb, packet) || !has_service_port(packet) ||
	    judge_origin(type, packet, !!flow->receiver))
		return false;
	key.port = tuple->destination_port;
	if (flow->receiver && !is_node_port(tuple->destination_port) &&
	    !bpf_map_lookup_elem(&frontends, &key))
		return false;
	connection = connection_of_receiver(packet);
	if (connection && is_of_service(connection) && connection->flags & CONNECTION_INBOUND) {
		if (service_goes_on(connection, packet))
			flow->connection = connection;
		return true;
	}
	return flow->receiver || frontend_at(&tuple->destination, tuple->destination_port,
					     tuple->protocol, SCOPE_OUTSIDE);
}

/* The form of serve_outside for the device: with an Ethernet header or without. */
static __always_inline __u32 serve_outside_number(void)
{
	return l2_header_bytes ? SERVE_OUTSIDE : SERVE_OUTSIDE_BARE;
}

/* A client's packet to the backend of this node that its flow has. 0 or a drop reason. */
static __noinline int to_backend(struct __sk_buff *skb, struct flow *flow)
{
	struct connection *connection = flow->connection;

	flow->receiver = bpf_map_lookup_elem(&endpoints, &connection->local);
	if (!flow->receiver)
		return DROP_STALE_OR_UNROUTABLE_IP; /* the backend is gone */
	connection_touch(skb, connection, flow->packet, false);
	connection_stands_for(connection, OWNER_SERVICES);
	return translate_in(skb, flow->packet, connection);
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
	if (connection && is_of_service(connection)) /* its answers are the pod's own affair */
		return;
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

/*
 * What a backend elsewhere answers to a client outside, on the way to it. What is too long for that
 * is said to the backend, before it is translated. Returns the verdict.
 */
static __noinline int to_client(struct __sk_buff *skb, struct flow *flow)
{
	struct connection *connection = flow->connection;
	struct packet *packet = flow->packet;
	struct next_hop next_hop = {};
	struct ip_address own;
	bool found;
	int error;

	if (!connection)
		return drop(skb, flow, DROP_CONNECTION_NOT_MADE);
	own = packet->tuple.destination;
	packet->tuple.destination = connection->local;
	found = find_next_hop(skb, packet, &next_hop);
	packet->tuple.destination = own;
	if (!found)
		return next_hop.mtu
			       ? answer_with_error(skb, flow, DROP_UNKNOWN_L3_TARGET, next_hop.mtu)
			       : drop(skb, flow, DROP_UNKNOWN_L3_TARGET);
	error = translate_in(skb, packet, connection);
	if (error)
		return drop(skb, flow, error);
	mark_source_decided(skb);
	return send_to_next_hop(skb, flow, &next_hop);
}

/*
 * Steps 4 to 10, for a packet of link type `type` whose receiver was looked up; `flow->receiver`
 * may be NULL. Returns the verdict.
 */
static __always_inline int arrive(struct __sk_buff *skb, struct flow *flow, __u32 type)
{
	struct packet *packet = flow->packet;
	bool to_node;
	int error;

	if (client_asks_service(skb, flow, type)) { /* 4 */
		if (!flow->connection)
			bpf_tail_call(skb, &service_programs, serve_outside_number());
		error = flow->connection ? to_backend(skb, flow) : DROP_MISSED_TAIL_CALL;
		if (error)
			return drop(skb, flow, error);
		if (flow->receiver->flags & ENDPOINT_HOST)
			return pass(skb, flow);
		return admit(skb, flow);
	}
	if (!flow->receiver && !(services_by_packet && packet->l4_kind == L4_ICMP_ERROR))
		return pass(skb, flow);

	to_node = !flow->receiver || flow->receiver->flags & ENDPOINT_HOST;
	error = judge_origin(type, packet, to_node); /* 5 */
	if (to_node) {
		if (error) /* to the node itself: the stack's to judge */
			return pass(skb, flow);
		error = undo_masquerade(skb, flow); /* 6, 7 */
		if (error == NAT_ONWARD)
			return to_client(skb, flow);
		if (error == NAT_SERVED) {
			bpf_tail_call(skb, &service_programs, serve_outside_number());
			return drop(skb, flow, DROP_MISSED_TAIL_CALL);
		}
		if (error)
			return drop(skb, flow, error);
		if (!flow->receiver || flow->receiver->flags & ENDPOINT_HOST) /* no answer */
			return pass(skb, flow);
	} else if (error) {
		return drop(skb, flow, error);
	} else {
		note_connection(skb, flow); /* 6, 8, 9 */
	}

	return admit(skb, flow); /* 10 */
}

#endif
