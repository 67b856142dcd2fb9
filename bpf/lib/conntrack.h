/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long flows live, and the memory of connections that were opened from outside toward pods:
 * their replies keep the pod's address. Flows that pods open outward are kept in nat.h.
 */
#ifndef CILIATE_CONNTRACK_H
#define CILIATE_CONNTRACK_H

#include "parse.h"

#define SECOND_NS 1000000000ULL

/* Lifetimes after the last packet; Cilium's defaults. RFC 5382 asks for at least 2 h 4 min. */
static const __u64 LIFETIME_TCP_NS = 8000 * SECOND_NS;
static const __u64 LIFETIME_TCP_SYN_NS = 60 * SECOND_NS;
static const __u64 LIFETIME_TCP_CLOSED_NS = 10 * SECOND_NS;
static const __u64 LIFETIME_ANY_NS = 60 * SECOND_NS;
/* Expiry is written again only when it moved by this much. */
static const __u64 REFRESH_NS = SECOND_NS;

static const __u32 CONNECTION_CLOSED = CONNECTION_CLOSING_ORIGINAL | CONNECTION_CLOSING_REPLY;

static __always_inline __u64 now_ns(void)
{
	return bpf_ktime_get_coarse_ns();
}

static __always_inline __u64 lifetime_ns(__u8 protocol, __u32 flags)
{
	if (protocol != IPPROTO_TCP)
		return LIFETIME_ANY_NS;
	if ((flags & CONNECTION_CLOSED) == CONNECTION_CLOSED)
		return LIFETIME_TCP_CLOSED_NS;
	return flags & CONNECTION_SEEN_NON_SYN ? LIFETIME_TCP_NS : LIFETIME_TCP_SYN_NS;
}

/*
 * The flags of a flow after a packet. A FIN or RST closes its own direction; a RST before the
 * connection stood closes both, because nobody will say more.
 */
static __always_inline __u32 flags_after(__u32 flags, const struct packet *packet, bool reply)
{
	__u32 own = reply ? CONNECTION_CLOSING_REPLY : CONNECTION_CLOSING_ORIGINAL;
	__u8 tcp = packet->tcp_flags;

	if (packet->tuple.protocol != IPPROTO_TCP || packet->fragment_offset)
		return reply ? flags | CONNECTION_SEEN_REPLY : flags;
	if ((tcp & (TCP_FLAG_SYN_BIT | TCP_FLAG_ACK_BIT)) == TCP_FLAG_SYN_BIT) {
		/* A new connection on the ports of a closed one starts a new life. */
		return (flags & CONNECTION_CLOSED) == CONNECTION_CLOSED ? 0 : flags;
	}
	if (tcp & TCP_FLAG_RST_BIT && !(flags & CONNECTION_SEEN_NON_SYN))
		flags |= CONNECTION_CLOSED;
	if (tcp & (TCP_FLAG_RST_BIT | TCP_FLAG_FIN_BIT))
		flags |= own;
	if (reply)
		flags |= CONNECTION_SEEN_REPLY;
	return flags | CONNECTION_SEEN_NON_SYN;
}

static __always_inline struct tuple tuple_reversed(const struct tuple *tuple)
{
	struct tuple reversed = {
		.source = tuple->destination,
		.destination = tuple->source,
		.source_port = tuple->destination_port,
		.destination_port = tuple->source_port,
		.protocol = tuple->protocol,
		.direction = tuple->direction,
	};

	return reversed;
}

static __always_inline void connection_touch(struct connection *connection,
					     const struct packet *packet, __u32 length, bool reply)
{
	__u32 flags = flags_after(connection->flags, packet, reply);
	__u64 expires_ns = now_ns() + lifetime_ns(packet->tuple.protocol, flags);

	__sync_fetch_and_add(&connection->packets, 1);
	__sync_fetch_and_add(&connection->bytes, length);
	if (flags != connection->flags || expires_ns > connection->expires_ns + REFRESH_NS) {
		connection->flags = flags;
		connection->expires_ns = expires_ns;
	}
}

/*
 * Note a packet that came from outside, addressed to a pod itself. Whoever knows a pod's address
 * either opened this connection or is answered by it, so the pod's replies must not be hidden.
 */
static __always_inline void connection_from_outside(struct __sk_buff *skb,
						    const struct packet *packet, __u32 identity)
{
	struct connection *known, fresh = {};
	struct tuple key = packet->tuple;

	key.direction = TUPLE_IN;
	known = bpf_map_lookup_elem(&conntrack, &key);
	if (known) {
		connection_touch(known, packet, skb->len, false);
		return;
	}
	fresh.created_ns = now_ns();
	fresh.packets = 1;
	fresh.bytes = skb->len;
	fresh.flags = flags_after(0, packet, false);
	fresh.expires_ns = fresh.created_ns + lifetime_ns(packet->tuple.protocol, fresh.flags);
	fresh.source_identity = identity;
	bpf_map_update_elem(&conntrack, &key, &fresh, BPF_ANY);
}

/* Does this packet of a pod answer a live connection that was opened from outside? */
static __always_inline bool connection_is_reply(struct __sk_buff *skb, const struct packet *packet)
{
	struct tuple key = tuple_reversed(&packet->tuple);
	struct connection *known;

	key.direction = TUPLE_IN;
	known = bpf_map_lookup_elem(&conntrack, &key);
	if (!known || known->expires_ns < now_ns())
		return false; /* the dead do not open doors: see cilium issue 47425 */
	connection_touch(known, packet, skb->len, true);
	return true;
}

#endif
