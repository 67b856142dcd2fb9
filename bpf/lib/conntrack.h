/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The memory of connections that were opened from outside toward pods: their replies keep the
 * pod's address. Flows that pods open outward are kept in nat.h.
 */
#ifndef CILIATE_CONNTRACK_H
#define CILIATE_CONNTRACK_H

#include "../maps.h"
#include "flow_state.h"

/* Count a packet of `length` bytes, and write the state where it moved. */
static __always_inline void connection_touch(struct connection *connection,
					     const struct packet *packet, __u32 length, bool reply)
{
	struct flow_state state = flow_state_after(connection->flags, packet, reply, now_ns());

	__sync_fetch_and_add(&connection->packets, 1);
	__sync_fetch_and_add(&connection->bytes, length);
	if (flow_state_moved(&state, connection->flags, connection->expires_ns)) {
		connection->flags = state.flags;
		connection->expires_ns = state.expires_ns;
	}
}

/*
 * Note a packet that came from outside, addressed to a pod itself. Its sender knows the pod's own
 * address, so what the pod sends back must carry that address.
 */
static __always_inline void connection_from_outside(struct __sk_buff *skb,
						    const struct packet *packet, __u32 identity)
{
	struct connection *known, fresh = {};
	struct tuple key = packet->tuple;
	struct flow_state state;

	key.direction = TUPLE_IN;
	known = bpf_map_lookup_elem(&conntrack, &key);
	if (known) {
		connection_touch(known, packet, skb->len, false);
		return;
	}
	fresh.created_ns = now_ns();
	state = flow_state_after(0, packet, false, fresh.created_ns);
	fresh.packets = 1;
	fresh.bytes = skb->len;
	fresh.flags = state.flags;
	fresh.expires_ns = state.expires_ns;
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
	if (!known || flow_is_over(known->expires_ns))
		return false; /* else a leftover entry would keep a new flow unmasqueraded
			       */
	connection_touch(known, packet, skb->len, true);
	return true;
}

#endif
