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

/* Octets that an answer may have sent behind its SYN before the opener's next packet (RFC 7413). */
enum { ANSWER_WINDOW = 1 << 16 };

/*
 * Does a TCP packet show that its sender has seen the answer to the SYN of this connection? What a
 * forged source sent would have to guess its number (RFC 6528). An answer without SYN, on a
 * connection older than we are, asks for no proof.
 */
static __noinline __unused bool has_seen_answer(struct __sk_buff *skb, const struct packet *packet,
						const struct connection *connection)
{
	__u32 offset = packet->l4_offset + offsetof(struct tcphdr, ack_seq);
	__be32 number;

	if (!connection->answered)
		return true;
	if (packet->fragment_offset || bpf_skb_load_bytes(skb, offset, &number, sizeof(number)))
		return false;
	return bpf_ntohl(number) - connection->answered < ANSWER_WINDOW;
}

/* Keep the number that has_seen_answer() wants; 0 stands for none. */
static __noinline __unused void note_answer(struct __sk_buff *skb, const struct packet *packet,
					    struct connection *connection)
{
	__u32 offset = packet->l4_offset + offsetof(struct tcphdr, seq);
	__be32 number;

	if (!(packet->tcp_flags & TCP_FLAG_SYN_BIT) ||
	    bpf_skb_load_bytes(skb, offset, &number, sizeof(number)))
		connection->answered = 0;
	else
		connection->answered = bpf_ntohl(number) + 1 ?: -1;
}

/*
 * The flags after a packet, where they were `before`: a TCP connection from outside stands once its
 * opener has proved itself. Its server may answer anew until then, by another number.
 */
static __always_inline __u32 proven_flags(struct __sk_buff *skb, struct connection *connection,
					  const struct packet *packet, __u32 before, __u32 flags,
					  bool reply)
{
	__u32 risen = flags & ~before;
	bool answers = risen & CONNECTION_SEEN_REPLY || packet->tcp_flags & TCP_FLAG_SYN_BIT;

	if (!(flags & CONNECTION_OUTSIDERS) || packet->tuple.protocol != IPPROTO_TCP)
		return flags;
	if (reply && answers && !(before & CONNECTION_ASSURED))
		note_answer(skb, packet, connection);
	if (risen & CONNECTION_ASSURED && !has_seen_answer(skb, packet, connection))
		return before;
	return flags;
}

/*
 * Count a packet, and write the state that it leaves where it moved, at most once a second while
 * the flags stay. Returns whether its time alone was written, which is when to look after what a
 * packet need not: a connection that opens and closes has its flags written by most packets.
 * `reply`: not by the opener.
 */
static __always_inline bool connection_touch(struct __sk_buff *skb, struct connection *connection,
					     const struct packet *packet, bool reply)
{
	__u32 before = connection->flags, flags = flags_after(before, packet, reply);
	__u64 expires_ns;

	flags = proven_flags(skb, connection, packet, before, flags, reply);
	expires_ns = now_ns() + lifetime_ns(packet->tuple.protocol, flags);
	if (accounting) {
		__sync_fetch_and_add(&connection->packets, 1);
		__sync_fetch_and_add(&connection->bytes, skb->len);
	}
	/* Other CPUs read this line. */
	if (flags == before && expires_ns <= connection->expires_ns + REFRESH_NS)
		return false;
	connection->flags = flags;
	connection->expires_ns = expires_ns;
	return flags == before;
}

/*
 * A connection from outside that stands is the pod's affair from now on, which is `owner`; one to a
 * Service is the Services', since who asks there is not the pod's choice.
 */
static __always_inline void connection_stands_for(struct connection *connection, __u32 owner)
{
	if (READ_ONCE(connection->owner) != OWNER_OUTSIDE || !flow_stands(connection->flags))
		return;
	connection_hand_over(connection, OWNER_OUTSIDE,
			     connection->flags & CONNECTION_SERVICE ? OWNER_SERVICES : owner);
}

/* End a connection that the caller has found. */
static __always_inline void connection_finish(struct connection *connection)
{
	connection_end(connection->place, READ_ONCE(connection->state));
}

/* The Service's address that a packet named, and the backend that takes its place. */
struct asked {
	struct ip_address address;
	__be16 port;
	__u16 flags; /* CONNECTION_CLIENTS, or none */
	__u32 frontend; /* its id */
	__u32 service;
	__u32 slot;
};

/* Who opens a connection. */
struct opener {
	__u32 owner; /* who answers for it: an endpoint, or enum connection_owner_number */
	__u32 identity;
	bool asks; /* a Service: asked_here() says whom */
};

/* Whom the packet asks for, on this CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct asked);
} asks SEC(".maps");

static __always_inline struct asked *asked_here(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&asks, &first);
}

/* Note whom the opener asked for; one from outside knows the local end by that, not the remote. */
static __always_inline void connection_note_asked(struct connection *connection)
{
	const struct asked *asked = asked_here();

	if (!asked)
		return;
	connection->frontend = asked->frontend;
	connection->service = asked->service;
	connection->slot = asked->slot;
	connection->flags |= CONNECTION_SERVICE | asked->flags;
	if (connection->flags & CONNECTION_INBOUND) {
		connection->seen = asked->address;
		connection->seen_port = asked->port;
		connection->asked = connection->remote;
		connection->asked_port = connection->remote_port;
		return;
	}
	connection->asked = asked->address;
	connection->asked_port = asked->port;
}

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
	connection->frontend = 0;
	connection->answered = 0;
	if (opener->asks)
		connection_note_asked(connection);
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
static __noinline __unused struct connection *connection_publish(struct connection *connection)
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
