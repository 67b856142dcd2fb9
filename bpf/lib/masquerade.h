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
#include "decision.h"
#include "flow.h"
#include "ipcache.h"
#include "mark.h"
#include "masquerade_rules.h"
#include "nat.h"
#include "parse.h"
#include "ports.h"
#include "service_end.h"

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

/*
 * Is it in the midst of a TCP connection to a node, where new ones are masqueraded? Then that began
 * when routing was native, and goes on as it was seen.
 */
static __always_inline bool began_natively(const struct packet *packet)
{
	return encapsulates && packet->tuple.protocol == IPPROTO_TCP && !is_syn(packet) &&
	       is_address_of_a_node(&packet->tuple.destination);
}

/* Does a pod's packet of no known connection keep the pod's address, by what the rules say? */
static __always_inline bool rules_keep(const struct packet *packet, const struct opener *pod,
				       struct masquerade_verdict *verdict)
{
	masquerade_rules_say(pod->owner, packet, verdict);
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

/*
 * May the decision for a connection be another one now? TCP keeps it while it stands; whatever else
 * survives a change of its address.
 */
static __always_inline bool is_decided_anew(const struct connection *connection,
					    const struct packet *packet)
{
	if (connection->protocol != IPPROTO_TCP)
		return true;
	return is_syn(packet) &&
	       (!flow_stands(connection->flags) || flow_is_closed(connection->flags));
}

/* Has the node the address; if `ifindex` is not 0, at that device? */
static __always_inline bool node_has(const struct ip_address *address, __u32 ifindex)
{
	const struct endpoint *endpoint = bpf_map_lookup_elem(&endpoints, address);

	return endpoint && endpoint->flags & ENDPOINT_HOST &&
	       (!ifindex || endpoint->ifindex == ifindex);
}

/* Has the node, or the device that a rule left it to, lost the address of a connection? */
static __always_inline bool has_lost_address(const struct connection *connection, __u32 ifindex,
					     const struct ip_address *of_device)
{
	bool by_rule = connection->flags & CONNECTION_RULE_ADDRESS;

	if (address_equal(&connection->seen, &connection->local) ||
	    (!by_rule && address_equal(&connection->seen, of_device)))
		return false;
	return !node_has(&connection->seen, by_rule ? 0 : ifindex);
}

/*
 * The address that pods get where a rule names it, and the node has it; else that of the device.
 */
static __always_inline const struct ip_address *
address_by_rule(const struct masquerade_verdict *verdict, const struct ip_address *of_device)
{
	if (verdict->action == MASQUERADE_ADDRESS && verdict->address &&
	    node_has(verdict->address, 0))
		return verdict->address;
	return of_device;
}

/*
 * Open a connection of `opener` that the remote sees with `address`, as `verdict` says. Returns 0
 * with `*opened`, or a drop reason.
 */
static __always_inline int open_masqueraded(struct __sk_buff *skb, const struct packet *packet,
					    const struct ip_address *address,
					    const struct masquerade_verdict *verdict,
					    const struct opener *opener, struct connection **opened)
{
	struct connection *connection = connection_begin(skb, packet, opener, 0);
	int index;

	if (!connection)
		return DROP_CONNECTION_NOT_MADE;
	connection->seen = *address;
	connection->rule = verdict->rule;
	connection->rules_generation = verdict->generation;
	if (address == verdict->address)
		connection->flags |= CONNECTION_RULE_ADDRESS;
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
 * has passed, or whose address is lost, is over.
 */
static __always_inline struct connection *going_on(struct connection *connection,
						   const struct packet *packet, __u32 ifindex,
						   const struct ip_address *address)
{
	if (!connection)
		return NULL;
	if (connection_is_over(connection) ||
	    (connection->flags & CONNECTION_INBOUND && is_syn(packet)) ||
	    (!(connection->flags & CONNECTION_INBOUND) && is_decided_anew(connection, packet) &&
	     rules_have_changed(connection)) ||
	    has_lost_address(connection, ifindex, address)) {
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
	if (dry_run && !ref)
		return true; /* it would be put back */
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

	if (is_cluster(&packet->tuple.destination) || began_natively(packet)) { /* 7 */
		note_step(DECISION_CLUSTER);
		return 0;
	}
	if (rules_keep(packet, pod, &verdict)) { /* 8 */
		note_rule(DECISION_RULE, verdict.rule, verdict.generation, verdict.action,
			  &packet->tuple.source);
		if (has_flow && !dry_run)
			open_kept(skb, packet, pod, &verdict);
		return 0;
	}
	if (packet->l4_kind == L4_ECHO_REPLY) { /* 9 */
		note_step(DECISION_ECHO_REPLY);
		return 0;
	}
	address = address_by_rule(&verdict, address);
	note_rule(DECISION_RULE, verdict.rule, verdict.generation, verdict.action, address);
	if (!has_flow)
		return DROP_NAT_UNSUPPORTED_PROTOCOL;
	if (dry_run)
		return 0;
	error = open_masqueraded(skb, packet, address, &verdict, pod, &opened);
	if (error || !opened)
		return error ? error : DROP_NAT_NO_MAPPING;
	return nat_out(skb, packet, opened);
}

/*
 * Read the ports of what a pod sends, and find its connection, where it may be of one: a known flow
 * is looked up once, here, and what is decided later takes it from `flow`.
 */
static __always_inline void seek_connection(struct __sk_buff *skb, struct flow *flow)
{
	struct packet *packet = flow->packet;

	if ((!(packet->is_v6 ? masquerade_v6 : masquerade_v4) ||
	     in_native_prefix(&packet->tuple.destination, packet->is_v6)) &&
	    !(flow->interface && is_service_end(flow->interface->endpoint_id)))
		return;
	flow->l4_error = parse_l4(skb, packet);
	if (!flow->l4_error && packet->l4_kind != L4_ICMP_ERROR)
		flow->connection = connection_of_sender(packet);
}

/*
 * What `pod` sends by the device `ifindex`, after seek_connection: 0 when its source is as it must
 * be, or a drop reason.
 */
static __always_inline int masquerade_pod(struct __sk_buff *skb, const struct flow *flow,
					  const struct opener *pod, __u32 ifindex)
{
	struct packet *packet = flow->packet;
	bool is_native = in_native_prefix(&packet->tuple.destination, packet->is_v6);
	struct masquerade_verdict verdict = {};
	const struct ip_address *address;
	struct connection *connection;
	struct ip_address seen;
	int error;

	connection = flow->connection;
	if (connection && connection->flags & CONNECTION_SERVICE) { /* a backend's, to a client */
		connection_touch(skb, connection, packet, true);
		goto translate;
	}
	if (is_native && !dry_run) /* 1 leaves it as is too, after a look-up; who asks is told 1 */
		return 0;
	address = masquerade_address(ifindex, packet->is_v6); /* 1 */
	if (!address) {
		note_step(DECISION_OFF);
		return 0;
	}
	if (is_native) { /* 2 */
		note_step(DECISION_NATIVE);
		return 0;
	}
	if (flow->l4_error) /* 3 */
		return flow->l4_error;
	if (packet->l4_kind == L4_ICMP_ERROR) { /* 4 */
		error = nat_icmp_error(skb, packet, TUPLE_OUT, &seen);
		if (error != NAT_MISS)
			return error;
		return is_cluster(&packet->tuple.destination) || rules_keep(packet, pod, &verdict)
			       ? 0
			       : DROP_NAT_UNSUPPORTED_PROTOCOL;
	}
	connection = going_on(flow->connection, packet, ifindex, address); /* 5, 6 */
	if (!connection)
		return masquerade_new(skb, packet, pod, address);
	if (dry_run) {
		if (!connection_is_whole(connection))
			return masquerade_new(skb, packet, pod, address);
		note_known_connection(connection);
		return 0;
	}
	if (connection_touch(skb, connection, packet, connection->flags & CONNECTION_INBOUND) &&
	    !connection_is_whole(connection))
		return masquerade_new(skb, packet, pod, address);
translate:
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
	const struct masquerade_verdict by_no_rule = {};
	struct connection *connection, *opened = NULL;
	struct tuple key = tuple_reversed(&packet->tuple);
	bool is_echo = packet->l4_kind == L4_ECHO_REQUEST;
	struct connection_ref holder = {};

	if (dry_run || (packet->l4_kind != L4_PORTS && !is_echo) ||
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
	if (!open_masqueraded(skb, packet, &packet->tuple.source, &by_no_rule, &node, &opened) &&
	    opened)
		return nat_out(skb, packet, opened);
	connection_end(holder.place, holder.state);
	return 0;
}

#endif
