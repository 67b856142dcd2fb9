/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Source NAT of what pods send to the world, and its reverse. A flow has two entries in `nat`:
 *
 *   OUT  pod:port -> remote            to_address:to_port = how the world sees it
 *   IN   remote -> node:port           to_address:to_port = the pod it belongs to
 *
 * Either may be evicted alone; a packet that refreshes one puts the other back.
 */
#ifndef CILIATE_NAT_H
#define CILIATE_NAT_H

#include "../config.h"
#include "../maps.h"
#include "address.h"
#include "flow.h"
#include "flow_state.h"
#include "icmp.h"
#include "rewrite.h"

/* Tries for a free port before a packet is dropped with DROP_NAT_NO_MAPPING. */
enum { NAT_PORT_TRIES_MAX = 32 };

/* Result of the look-up of an answer's or an error's flow: it is of no flow of ours. */
enum { NAT_MISS = -1 };

/* May `port` (network order) be that of a masqueraded flow? */
static __always_inline bool nat_port_in_range(__be16 port)
{
	__u16 host = bpf_ntohs(port);

	return host >= snat_port_min && host <= snat_port_max;
}

/* Key of the IN entry, from the OUT entry and its key. */
static __always_inline struct tuple nat_in_key(const struct tuple *out,
					       const struct nat_entry *entry)
{
	struct tuple key = tuple_reversed(out);

	key.destination = entry->to_address;
	key.destination_port = entry->to_port;
	key.direction = TUPLE_IN;
	return key;
}

/* Key of the OUT entry, from the IN entry and its key. */
static __always_inline struct tuple nat_out_key(const struct tuple *in,
						const struct nat_entry *entry)
{
	struct tuple key = tuple_reversed(in);

	key.source = entry->to_address;
	key.source_port = entry->to_port;
	key.direction = TUPLE_OUT;
	return key;
}

/* Do both say the same of their flow, whatever its state? */
static __always_inline bool nat_maps_alike(const struct nat_entry *a, const struct nat_entry *b)
{
	return a->to_port == b->to_port && address_equal(&a->to_address, &b->to_address);
}

/* Refresh both entries; `partner` holds what the other one says, in case it was evicted. */
static __always_inline void nat_touch(struct nat_entry *entry, const struct packet *packet,
				      bool reply, const struct tuple *partner_key,
				      const struct nat_entry *partner)
{
	struct flow_state state = flow_state_after(entry->flags, packet, reply, now_ns());
	struct nat_entry *other, fresh;

	if (!flow_state_moved(&state, entry->flags, entry->expires_ns))
		return;
	entry->flags = state.flags;
	entry->expires_ns = state.expires_ns;
	other = bpf_map_lookup_elem(&nat, partner_key);
	if (other) {
		if (nat_maps_alike(other, partner)) { /* else another flow has taken its place */
			other->flags = state.flags;
			other->expires_ns = state.expires_ns;
		}
		return;
	}
	fresh = *partner;
	fresh.flags = state.flags;
	fresh.expires_ns = state.expires_ns;
	fresh.created_ns = entry->created_ns;
	bpf_map_update_elem(&nat, partner_key, &fresh, BPF_NOEXIST);
}

/*
 * Take a port: inserting the IN entry only where none stands is the test for a collision. An
 * entry whose flow is over counts as none, and one of this very flow is its port. The original
 * port is kept when it is free.
 */
static __always_inline bool nat_take_port(const struct tuple *out, struct nat_entry *mapped,
					  const struct nat_entry *reverse)
{
	__u32 range = (__u32)snat_port_max - snat_port_min + 1;
	__u32 offset = (bpf_get_prandom_u32() >> 16) * range >> 16;
	__be16 port = out->source_port;

	for (int try = 0; try < NAT_PORT_TRIES_MAX; try++) {
		struct nat_entry *owner;
		struct tuple key;

		if (try > 0 || !nat_port_in_range(port)) {
			port = bpf_htons(snat_port_min + offset);
			offset = offset + 1 == range ? 0 : offset + 1;
		}
		mapped->to_port = port;
		key = nat_in_key(out, mapped);
		if (!bpf_map_update_elem(&nat, &key, reverse, BPF_NOEXIST))
			return true;
		owner = bpf_map_lookup_elem(&nat, &key);
		if (!owner)
			continue;
		/* Our own, whose other half was lost or is over; or one that is over. */
		if (nat_maps_alike(owner, reverse) || owner->expires_ns < reverse->created_ns) {
			bpf_map_update_elem(&nat, &key, reverse, BPF_ANY);
			return true;
		}
	}
	return false;
}

/* Make both entries of a new flow; returns 0 and fills `mapped`, or a drop reason. */
static __always_inline int nat_create(const struct flow *flow, const struct tuple *out,
				      struct nat_entry *mapped)
{
	struct nat_entry reverse = {};
	struct flow_state state;

	reverse.to_address = out->source;
	reverse.to_port = out->source_port;
	reverse.created_ns = now_ns();
	state = flow_state_after(0, flow->packet, false, reverse.created_ns);
	reverse.flags = state.flags;
	reverse.expires_ns = state.expires_ns;
	*mapped = reverse;
	mapped->to_address = *flow->masquerade_address;
	if (!nat_take_port(out, mapped, &reverse))
		return DROP_NAT_NO_MAPPING;
	if (bpf_map_update_elem(&nat, out, mapped, BPF_ANY))
		return DROP_NAT_NO_MAPPING;
	return 0;
}

/* The OUT entry of the flow that this outgoing packet belongs to, while it lives; else NULL. */
static __always_inline struct nat_entry *nat_find(const struct packet *packet)
{
	struct tuple out = packet->tuple;
	struct nat_entry *entry;

	out.direction = TUPLE_OUT;
	entry = bpf_map_lookup_elem(&nat, &out);
	return entry && !flow_is_over(entry->expires_ns) ? entry : NULL;
}

/*
 * Where the flow of this outgoing packet is mapped to; the flow is made when it is new, or when it
 * is over: its port may be another flow's by now. Returns 0 and fills `mapped`, or a drop reason.
 */
static __always_inline int nat_map_out(const struct flow *flow, struct nat_entry *mapped)
{
	struct tuple in_key, out = flow->packet->tuple;
	struct nat_entry reverse = {};

	out.direction = TUPLE_OUT;
	if (!flow->nat_entry)
		return nat_create(flow, &out, mapped);
	*mapped = *flow->nat_entry;
	in_key = nat_in_key(&out, mapped);
	if (!address_equal(&mapped->to_address, flow->masquerade_address)) {
		/* The device has another address by now: the old one gets no answers. */
		bpf_map_delete_elem(&nat, &in_key);
		bpf_map_delete_elem(&nat, &out);
		return nat_create(flow, &out, mapped);
	}
	reverse.to_address = out.source;
	reverse.to_port = out.source_port;
	nat_touch(flow->nat_entry, flow->packet, false, &in_key, &reverse);
	return 0;
}

/*
 * An ICMP error about a packet of a masqueraded flow. TUPLE_OUT: a pod's, about an answer it got;
 * it is masqueraded as the flow is. TUPLE_IN: a router's, about what the pod sent; it goes to the
 * pod. Returns 0 with `to` filled, NAT_MISS when it is about no flow of ours, or a drop reason.
 */
static __always_inline int nat_icmp_error(struct __sk_buff *skb, const struct packet *packet,
					  enum tuple_direction direction, struct ip_address *to)
{
	enum rewrite_end end = direction == TUPLE_OUT ? REWRITE_SOURCE : REWRITE_DESTINATION;
	struct nat_entry *entry, mapped;
	struct quoted quoted = {};
	struct tuple key;

	if (!parse_quoted(skb, packet, &quoted))
		return NAT_MISS;
	key = tuple_reversed(&quoted.packet.tuple);
	key.direction = direction;
	entry = bpf_map_lookup_elem(&nat, &key);
	if (!entry || flow_is_over(entry->expires_ns))
		return NAT_MISS;
	mapped = *entry;
	*to = mapped.to_address;
	return rewrite_icmp_error(skb, packet, &quoted, end, &mapped.to_address, mapped.to_port);
}

/* Masquerade an outgoing packet with `flow->masquerade_address`. 0 or a drop reason. */
static __always_inline int nat_out(struct __sk_buff *skb, const struct flow *flow)
{
	const struct packet *packet = flow->packet;
	struct nat_entry mapped = {};
	int error = nat_map_out(flow, &mapped);

	if (error)
		return error;
	if (mapped.to_port == packet->tuple.source_port &&
	    address_equal(&mapped.to_address, &packet->tuple.source))
		return 0; /* the node's own flow, on a port that was free */
	return rewrite(skb, packet, REWRITE_SOURCE, &mapped.to_address, mapped.to_port);
}

/*
 * Give an answer back to the owner of its flow: a pod, or the node when its own port had to be
 * changed. Returns 0 with `owner` filled, NAT_MISS when nothing changes, or a drop reason.
 */
static __always_inline int nat_in(struct __sk_buff *skb, const struct packet *packet,
				  struct ip_address *owner)
{
	struct nat_entry *entry, to, forward = {};
	struct tuple out_key, key = packet->tuple;

	key.direction = TUPLE_IN;
	entry = bpf_map_lookup_elem(&nat, &key);
	if (!entry || flow_is_over(entry->expires_ns))
		return NAT_MISS;
	to = *entry;
	forward.to_address = key.destination;
	forward.to_port = key.destination_port;
	out_key = nat_out_key(&key, &to);
	nat_touch(entry, packet, true, &out_key, &forward);
	if (to.to_port == key.destination_port &&
	    address_equal(&to.to_address, &packet->tuple.destination))
		return NAT_MISS; /* the node's own flow, on its own port */
	*owner = to.to_address;
	return rewrite(skb, packet, REWRITE_DESTINATION, &to.to_address, to.to_port);
}

#endif
