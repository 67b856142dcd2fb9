/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Opening a connection and going on with one: what masquerade.h does for those of pods and the
 * node, and from_uplink for those from outside.
 */
#ifndef CILIATE_CONNECTIONS_H
#define CILIATE_CONNECTIONS_H

#include "connection_table.h"
#include "flow.h"

/* The live connection whose local end sent this packet, else NULL. */
static __always_inline struct connection *connection_of_sender(struct packet *packet)
{
	packet->tuple.direction = TUPLE_OUT;
	return connection_find(&packet->tuple);
}

/* The live connection that this packet from outside is of, else NULL. */
static __always_inline struct connection *connection_of_receiver(struct packet *packet)
{
	packet->tuple.direction = TUPLE_IN;
	return connection_find(&packet->tuple);
}

/*
 * Count a packet, and write the state that it leaves where it moved, at most once a second while
 * the flags stay. Returns whether it was written. `reply`: not by the opener.
 */
static __always_inline bool connection_touch(struct __sk_buff *skb, struct connection *connection,
					     const struct packet *packet, bool reply)
{
	__u32 flags = flags_after(connection->flags, packet, reply);
	__u64 expires_ns = now_ns() + lifetime_ns(packet->tuple.protocol, flags);

	if (accounting) {
		__sync_fetch_and_add(&connection->packets, 1);
		__sync_fetch_and_add(&connection->bytes, skb->len);
	}
	/* Other CPUs read this line. */
	if (flags == connection->flags && expires_ns <= connection->expires_ns + REFRESH_NS)
		return false;
	connection->flags = flags;
	connection->expires_ns = expires_ns;
	return true;
}

/* A connection from outside that stands is the pod's affair from now on, which is `owner`. */
static __always_inline void connection_stands_for(struct connection *connection, __u32 owner)
{
	if (READ_ONCE(connection->owner) == OWNER_OUTSIDE && flow_stands(connection->flags))
		connection_hand_over(connection, OWNER_OUTSIDE, owner);
}

/* End a connection that the caller has found. */
static __always_inline void connection_finish(struct connection *connection)
{
	connection_end(connection->place, READ_ONCE(connection->state));
}

/* Who opens a connection. */
struct opener {
	__u32 owner; /* who answers for it: an endpoint, or enum connection_owner_number */
	__u32 identity;
};

/* An element for `opener` with all that the packet says, in phase MAKING; NULL: no room. */
static __always_inline struct connection *connection_begin(struct __sk_buff *skb,
							   const struct packet *packet,
							   const struct opener *opener, __u32 flags)
{
	int index = connection_take(opener->owner);
	struct connection *connection = index < 0 ? NULL : connection_at(index);
	bool inbound = flags & CONNECTION_INBOUND;
	const struct tuple *tuple = &packet->tuple;

	if (!connection) {
		owner_refuse(opener->owner);
		return NULL;
	}
	connection->local = inbound ? tuple->destination : tuple->source;
	connection->remote = inbound ? tuple->source : tuple->destination;
	connection->local_port = inbound ? tuple->destination_port : tuple->source_port;
	connection->remote_port = inbound ? tuple->source_port : tuple->destination_port;
	connection->seen = connection->local;
	connection->seen_port = connection->local_port;
	connection->protocol = tuple->protocol;
	connection->created_ns = now_ns();
	connection->flags = flags_after(flags, packet, false);
	connection->expires_ns =
		connection->created_ns + lifetime_ns(tuple->protocol, connection->flags);
	connection->packets = accounting ? 1 : 0;
	connection->bytes = accounting ? skb->len : 0;
	connection->source_identity = opener->identity;
	connection->rule = 0;
	connection->rules_generation = 0;
	connection->policy_epoch = 0;
	connection->service = 0;
	return connection;
}

/* The value of both entries of a connection that is being made: it will be LIVE. */
static __always_inline struct connection_ref ref_of(const struct connection *connection)
{
	struct connection_ref ref = {
		.place = connection->place,
		.state = connection->state + (CONNECTION_LIVE - CONNECTION_MAKING),
	};

	return ref;
}

/* Put back the entry OUT of a live connection. */
static __always_inline void connection_enter_out(const struct connection *connection)
{
	struct tuple key = tuple_out(connection);
	struct connection_ref ref = {
		.place = connection->place,
		.state = READ_ONCE(connection->state),
	};

	bpf_map_update_elem(&conntrack, &key, &ref, BPF_NOEXIST);
}

/*
 * Make a connection live whose entry IN is there. The entry OUT decides between CPUs that opened it
 * at the same time: the loser's is ended, and the winner's is returned.
 */
static __noinline struct connection *connection_publish(struct connection *connection)
{
	struct connection_ref ref = ref_of(connection);
	struct tuple key = tuple_out(connection);
	struct connection *first;

	connection_set_state(connection, ref.state);
	if (!bpf_map_update_elem(&conntrack, &key, &ref, BPF_NOEXIST))
		return connection;
	first = connection_find(&key);
	if (first && first != connection && !connection_is_over(first)) {
		connection_end(ref.place, ref.state);
		return first;
	}
	if (first && first != connection)
		connection_finish(first);
	bpf_map_update_elem(&conntrack, &key, &ref, BPF_ANY); /* what is left of one that ended */
	return connection;
}

#endif
