/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Translating packets of a known connection: its local end becomes what the remote sees, and back.
 * Decides nothing; masquerade.h does.
 */
#ifndef CILIATE_NAT_H
#define CILIATE_NAT_H

#include "compiler.h"
#include "connections.h"
#include "fragments.h"
#include "icmp.h"
#include "port_range.h"
#include "rewrite.h"

/* Result of the look-up of an answer's or an error's connection: it is of none of ours. */
enum {
	NAT_MISS = -1,
	NAT_SERVED = -3, /* it is of a Service's connection: service_error.h */
	NAT_ONWARD = -2, /* it is a client's outside, whom this node sent to a backend elsewhere */
};

/* Does the remote see the local end as it is? */
static __always_inline bool nat_keeps(const struct connection *connection)
{
	return connection->seen_port == connection->local_port &&
	       address_equal(&connection->seen, &connection->local);
}

/* Translate what the local end sends. 0 or a drop reason. */
static __always_inline int nat_out(struct __sk_buff *skb, const struct packet *packet,
				   const struct connection *connection)
{
	struct ip_address seen = connection->seen;
	__be16 port = connection->seen_port;

	if (nat_keeps(connection))
		return 0;
	if (packet->more_fragments && !packet->fragment_offset)
		store_fragment_ports_as(packet, &seen, port); /* errors quote what left */
	return rewrite(skb, packet, REWRITE_SOURCE, &seen, port);
}

/*
 * What a packet of the remote of a Service's connection becomes: from what the local end asked for,
 * to that. `packet` follows. 0 or a drop reason.
 */
__verified_once int translate_in(struct __sk_buff *skb, struct packet *packet,
				 const struct connection *connection)
{
	struct tuple *tuple;
	int error;

	if (!packet || !connection)
		return DROP_INVALID_PACKET;
	tuple = &packet->tuple;
	if (!nat_keeps(connection)) {
		error = rewrite(skb, packet, REWRITE_DESTINATION, &connection->local,
				connection->local_port);
		if (error)
			return error;
		tuple->destination = connection->local;
		tuple->destination_port = connection->local_port;
	}
	if (address_equal(&tuple->source, &connection->asked) &&
	    tuple->source_port == connection->asked_port)
		return 0;
	error = rewrite(skb, packet, REWRITE_SOURCE, &connection->asked, connection->asked_port);
	tuple->source = connection->asked;
	tuple->source_port = connection->asked_port;
	return error;
}

/*
 * What a packet of the connection's local end becomes: from `seen` to `remote`. `packet` follows,
 * since it is routed by what it says then. 0 or a drop reason.
 */
__verified_once int translate_out(struct __sk_buff *skb, struct packet *packet,
				  const struct connection *connection)
{
	struct tuple *tuple;
	int error;

	if (!packet || !connection)
		return DROP_INVALID_PACKET;
	tuple = &packet->tuple;
	if (packet->more_fragments && !packet->fragment_offset && !nat_keeps(connection))
		store_fragment_ports_as(packet, &connection->seen, connection->seen_port);
	if (!address_equal(&tuple->destination, &connection->remote) ||
	    tuple->destination_port != connection->remote_port) {
		error = rewrite(skb, packet, REWRITE_DESTINATION, &connection->remote,
				connection->remote_port);
		if (error)
			return error;
		tuple->destination = connection->remote;
		tuple->destination_port = connection->remote_port;
	}
	if (nat_keeps(connection))
		return 0;
	error = rewrite(skb, packet, REWRITE_SOURCE, &connection->seen, connection->seen_port);
	tuple->source = connection->seen;
	tuple->source_port = connection->seen_port;
	return error;
}

/* Does the connection's local end know the remote by a Service's address? */
static __always_inline bool asks_service(const struct connection *connection)
{
	return connection->flags & CONNECTION_SERVICE && !(connection->flags & CONNECTION_INBOUND);
}

/* NAT_ONWARD: the local end of a Service's connection is a client outside; else 0. */
static __always_inline int is_clients(const struct connection *connection)
{
	return asks_service(connection) && READ_ONCE(connection->owner) >= OWNER_OUTSIDE
		       ? NAT_ONWARD
		       : 0;
}

/*
 * Give an answer back to the local end. Returns 0 with `owner` filled, NAT_MISS when nothing
 * changes, NAT_ONWARD with `*served`, and the packet as it was, or a drop reason.
 */
static __always_inline int nat_in(struct __sk_buff *skb, struct packet *packet,
				  struct ip_address *owner, struct connection **served)
{
	struct connection *connection = connection_of_receiver(packet);
	__be16 port;

	if (!connection || connection_is_over(connection))
		return NAT_MISS;
	connection_touch(skb, connection, packet, !(connection->flags & CONNECTION_INBOUND));
	*owner = connection->local;
	if (connection->flags & CONNECTION_SERVICE) {
		*served = connection;
		return is_clients(connection) ?: translate_in(skb, packet, connection);
	}
	port = connection->local_port;
	if (nat_keeps(connection))
		return NAT_MISS;
	return rewrite(skb, packet, REWRITE_DESTINATION, owner, port);
}

/* What an error quotes, on this CPU: too big for a stack, and one packet is looked at at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct quoted);
} quotes SEC(".maps");

static __always_inline struct quoted *quoted_here(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&quotes, &first);
}

/*
 * An ICMP error about a packet of a translated connection. TUPLE_OUT: the local end's, about an
 * answer it got; it goes out as the connection does. TUPLE_IN: a router's or the remote's, about
 * what was sent; it goes to the local end. One that is not addressed to who sent the packet it
 * quotes is about nothing (RFC 5508, REQ-4). Returns 0 with `to` filled, NAT_MISS, or a drop
 * reason. Its variables are seldom needed: a function of its own keeps them off the callers'
 * stacks.
 */
static __noinline __unused int nat_icmp_error(struct __sk_buff *skb, const struct packet *packet,
					      enum tuple_direction direction, struct ip_address *to)
{
	enum rewrite_end end = direction == TUPLE_OUT ? REWRITE_SOURCE : REWRITE_DESTINATION;
	const struct connection *connection;
	struct quoted *quoted = quoted_here();
	struct tuple key;
	__be16 port;

	if (!quoted)
		return NAT_MISS;
	__builtin_memset(quoted, 0, sizeof(*quoted));
	if (!parse_quoted(skb, packet, quoted) ||
	    !address_equal(&quoted->packet.tuple.source, &packet->tuple.destination))
		return NAT_MISS;
	key = tuple_reversed(&quoted->packet.tuple);
	key.direction = direction;
	connection = connection_find(&key);
	if (!connection || connection_is_over(connection))
		return NAT_MISS;
	if (direction == TUPLE_OUT && !address_equal(&packet->tuple.source, &connection->local))
		return NAT_MISS;
	if (asks_service(connection))
		return NAT_SERVED;
	*to = direction == TUPLE_OUT ? connection->seen : connection->local;
	port = direction == TUPLE_OUT ? connection->seen_port : connection->local_port;
	if (nat_keeps(connection))
		return 0;
	return rewrite_icmp_error(skb, packet, quoted, end, to, port);
}

#endif
