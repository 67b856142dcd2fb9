/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which source address a packet leaves with. docs/DATAPATH.md, "Masquerading": the numbers are the
 * rows of its table. Asked once for each packet that leaves: in from_pod, when the kernel's table
 * has named the device, else in to_uplink.
 */
#ifndef CILIATE_MASQUERADE_H
#define CILIATE_MASQUERADE_H

#include "../config.h"
#include "../maps.h"
#include "address.h"
#include "connections.h"
#include "flow.h"
#include "ipcache.h"
#include "masquerade_rules.h"
#include "nat.h"
#include "parse.h"
#include "ports.h"

/*
 * The mark of a packet whose source is decided: Cilium's "SNAT done" (0x300 under 0xf00).
 * kube-proxy's bits, 0x4000 and 0x8000, are left alone.
 */
enum { MARK_SOURCE_DECIDED = 0x300, MARK_MASK = 0xf00 };

static __always_inline bool source_is_decided(struct __sk_buff *skb)
{
	return (skb->mark & MARK_MASK) == MARK_SOURCE_DECIDED;
}

static __always_inline void mark_source_decided(struct __sk_buff *skb)
{
	skb->mark = (skb->mark & ~MARK_MASK) | MARK_SOURCE_DECIDED;
}

/* The address pods get behind a device; NULL when masquerading of the family is off there. */
static __always_inline const struct ip_address *masquerade_address(__u32 ifindex, bool is_v6)
{
	const struct masquerade_address *own;

	if (!(is_v6 ? masquerade_v6 : masquerade_v4))
		return NULL;
	own = bpf_map_lookup_elem(&masquerade_addresses, &ifindex);
	if (!own)
		return NULL;
	if (is_v6)
		return address_is_zero(&own->ipv6) ? NULL : &own->ipv6;
	return address_is_zero(&own->ipv4) ? NULL : &own->ipv4;
}

/* A node or a pod of this cluster, which know the way to every pod? */
static __always_inline bool is_cluster(const struct ip_address *destination)
{
	const struct ipcache_entry *entry = ipcache_lookup(destination);

	return entry && is_never_masqueraded(entry);
}

/* Does a pod's packet of no known connection keep the pod's address, by what the rules say? */
static __always_inline bool rules_keep(const struct packet *packet,
				       struct masquerade_verdict *verdict)
{
	masquerade_rules_say(MASQUERADE_CLASS_ALL, packet, verdict);
	return verdict->action == MASQUERADE_KEEP;
}

/* Were other rules in force when the connection was opened? */
static __always_inline bool rules_have_changed(const struct connection *connection)
{
	__u32 zero = 0;
	const struct masquerade_generation *now =
		bpf_map_lookup_elem(&masquerade_generations, &zero);

	return now && READ_ONCE(now->number) != connection->rules_generation;
}

/* Has the device `ifindex` still got the address that a connection is seen with? */
static __always_inline bool has_address(__u32 ifindex, const struct ip_address *address)
{
	const struct endpoint *endpoint = bpf_map_lookup_elem(&endpoints, address);

	return endpoint && endpoint->flags & ENDPOINT_HOST && endpoint->ifindex == ifindex;
}

/*
 * Open a connection of `opener` that the remote sees with `address`. Returns 0 with `*opened`, or a
 * drop reason.
 */
static __always_inline int open_masqueraded(struct __sk_buff *skb, const struct packet *packet,
					    const struct ip_address *address,
					    const struct opener *opener, struct connection **opened)
{
	struct connection *connection = connection_begin(skb, packet, opener, 0);
	int index;

	if (!connection)
		return DROP_CONNECTION_NOT_MADE;
	connection->seen = *address;
	index = port_take(skb, connection->place);
	if (index == (int)connection->place) {
		*opened = connection_publish(connection);
		return 0;
	}
	connection_discard(connection);
	if (index < 0) {
		owner_refuse(opener->owner);
		return DROP_NAT_NO_MAPPING;
	}
	*opened = connection_at(index);
	if (*opened)
		connection_enter_out(*opened); /* it was lost, else `connection` were not made */
	return 0;
}

/*
 * Remember that a flow of `pod` keeps the pod's address, so that it does for its life. Where there
 * is no room the rules are asked again for its next packet.
 */
static __noinline void open_kept(struct __sk_buff *skb, const struct packet *packet,
				 const struct opener *pod, const struct masquerade_verdict *verdict)
{
	struct connection *connection = connection_begin(skb, packet, pod, 0);
	struct connection_ref ref;
	struct tuple key;

	if (!connection)
		return;
	connection->rule = verdict->rule;
	connection->rules_generation = verdict->generation;
	ref = ref_of(connection);
	key = tuple_in(connection);
	if (bpf_map_update_elem(&conntrack, &key, &ref, BPF_NOEXIST))
		connection_discard(connection); /* another CPU was first */
	else
		connection_publish(connection);
}

/*
 * The connection that goes on with this packet; NULL: none, or one that this packet ends. A pod's
 * SYN answers nothing, so whatever an outsider sent before, it opens a connection. One whose time
 * has passed, or whose address the device has lost, is over. What is not TCP survives a change of
 * its address, so it is decided anew when the rules have changed.
 */
static __always_inline struct connection *going_on(struct connection *connection,
						   const struct packet *packet, __u32 ifindex,
						   const struct ip_address *address)
{
	if (!connection)
		return NULL;
	if (connection_is_over(connection) ||
	    (connection->flags & CONNECTION_INBOUND && is_syn(packet)) ||
	    (!(connection->flags & CONNECTION_INBOUND) && connection->protocol != IPPROTO_TCP &&
	     rules_have_changed(connection)) ||
	    (!address_equal(&connection->seen, &connection->local) &&
	     !address_equal(&connection->seen, address) &&
	     !has_address(ifindex, &connection->seen))) {
		connection_finish(connection);
		return NULL;
	}
	return connection;
}

/*
 * Is the entry IN of a connection there? One that was lost is put back, unless its port is
 * another's by now: then the connection ends, and false is returned (RFC 4787, REQ-1).
 */
static __noinline bool connection_is_whole(struct connection *connection)
{
	const struct connection_ref *ref;
	struct connection_ref own = {};
	struct tuple key;

	if (!connection)
		return false;
	own.place = connection->place;
	own.state = READ_ONCE(connection->state);
	key = tuple_in(connection);
	ref = bpf_map_lookup_elem(&conntrack, &key);
	if (ref ? ref->place == own.place && ref->state == own.state
		: !bpf_map_update_elem(&conntrack, &key, &own, BPF_NOEXIST))
		return true;
	connection_end(own.place, own.state);
	return false;
}

/* A pod's packet of no known connection. 0 or a drop reason. */
static __always_inline int masquerade_new(struct __sk_buff *skb, const struct packet *packet,
					  const struct opener *pod,
					  const struct ip_address *address)
{
	bool has_flow = packet->l4_kind == L4_PORTS || packet->l4_kind == L4_ECHO_REQUEST;
	struct masquerade_verdict verdict = {};
	struct connection *opened = NULL;
	int error;

	if (is_cluster(&packet->tuple.destination)) /* 7 */
		return 0;
	if (rules_keep(packet, &verdict)) { /* 8 */
		if (has_flow)
			open_kept(skb, packet, pod, &verdict);
		return 0;
	}
	if (packet->l4_kind == L4_ECHO_REPLY) /* 9 */
		return 0;
	if (!has_flow)
		return DROP_NAT_UNSUPPORTED_PROTOCOL;
	error = open_masqueraded(skb, packet, address, pod, &opened);
	if (error || !opened)
		return error ? error : DROP_NAT_NO_MAPPING;
	opened->rule = verdict.rule;
	opened->rules_generation = verdict.generation;
	return nat_out(skb, packet, opened);
}

/*
 * What `pod` sends by the device `ifindex`: 0 when its source is as it must be,
 * or a drop reason. Ports are read here, where they are needed first.
 */
static __always_inline int masquerade_pod(struct __sk_buff *skb, struct packet *packet,
					  const struct opener *pod, __u32 ifindex)
{
	const struct ip_address *address = masquerade_address(ifindex, packet->is_v6); /* 1 */
	struct masquerade_verdict verdict = {};
	struct connection *connection;
	struct ip_address seen;
	int error;

	if (!address || in_native_prefix(&packet->tuple.destination, packet->is_v6)) /* 2 */
		return 0;
	error = parse_l4(skb, packet); /* 3 */
	if (error)
		return error;
	if (packet->l4_kind == L4_ICMP_ERROR) { /* 4 */
		error = nat_icmp_error(skb, packet, TUPLE_OUT, &seen);
		if (error != NAT_MISS)
			return error;
		return is_cluster(&packet->tuple.destination) || rules_keep(packet, &verdict)
			       ? 0
			       : DROP_NAT_UNSUPPORTED_PROTOCOL;
	}
	connection = going_on(connection_of_sender(packet), packet, ifindex, address); /* 5, 6 */
	if (!connection)
		return masquerade_new(skb, packet, pod, address);
	if (connection_touch(skb, connection, packet, connection->flags & CONNECTION_INBOUND) &&
	    !connection_is_whole(connection))
		return masquerade_new(skb, packet, pod, address);
	if (connection->flags & CONNECTION_INBOUND)
		connection_stands_for(connection, pod->owner);
	return nat_out(skb, packet, connection);
}

/*
 * The node's own packet, which leaves as it is unless a pod's connection has its port: then it gets
 * another. An echo's identifier is bound to no socket, so it is entered. Never dropped: where the
 * book of ports has no room, the pod's connection ends.
 */
static __always_inline int masquerade_node(struct __sk_buff *skb, struct packet *packet)
{
	const struct opener node = {.owner = OWNER_NODE, .identity = IDENTITY_HOST};
	struct connection *connection, *opened = NULL;
	struct tuple key = tuple_reversed(&packet->tuple);
	bool is_echo = packet->l4_kind == L4_ECHO_REQUEST;
	struct connection_ref holder = {};

	if ((packet->l4_kind != L4_PORTS && !is_echo) ||
	    !nat_may_have_port(packet->tuple.protocol, packet->tuple.source_port))
		return 0;
	connection = connection_of_sender(packet);
	if (connection && !connection_is_over(connection)) {
		connection_touch(skb, connection, packet, false);
		return nat_out(skb, packet, connection);
	}
	key.direction = TUPLE_IN;
	connection = connection_find(&key);
	if (connection && !connection_is_over(connection)) {
		holder.place = connection->place;
		holder.state = READ_ONCE(connection->state);
	}
	if (!holder.state && !is_echo)
		return 0;
	if (!open_masqueraded(skb, packet, &packet->tuple.source, &node, &opened) && opened)
		return nat_out(skb, packet, opened);
	connection_end(holder.place, holder.state);
	return 0;
}

#endif
