/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sending packets that are translated for a Service: what serve_pod and serve_outside share. */
#ifndef CILIATE_SERVE_H
#define CILIATE_SERVE_H

#include "admit.h"
#include "masquerade.h"
#include "next_hop.h"
#include "service_open.h"

/* What is being served on this CPU: in a map, since no stack has room for it. */
struct serving {
	struct packet packet;
	struct next_hop next_hop;
	struct opener opener;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serving);
} servings SEC(".maps");

static __always_inline struct serving *serving_here(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&servings, &first);
}

/* May the packet be cut into pieces on its way (RFC 791)? */
static __always_inline bool may_be_cut(struct __sk_buff *skb, const struct packet *packet)
{
	__be16 fragment;

	return !packet->is_v6 &&
	       !bpf_skb_load_bytes(skb, l2_header_bytes + offsetof(struct iphdr, frag_off),
				   &fragment, sizeof(fragment)) &&
	       !(fragment & bpf_htons(IPV4_DONT_FRAGMENT));
}

/*
 * Which way a packet to `destination` goes: `flow->receiver`, or `next_hop`. False: neither. A
 * stack-routed pod's needs none.
 */
static __noinline bool find_way(struct __sk_buff *skb, struct flow *flow, struct serving *serving,
				const struct ip_address *destination)
{
	struct packet *packet = &serving->packet;
	struct ip_address before = packet->tuple.destination;
	bool found;

	flow->receiver = bpf_map_lookup_elem(&endpoints, destination);
	if (flow->receiver || (flow->interface && flow->interface->flags & INTERFACE_STACK_ROUTED))
		return true;
	packet->tuple.destination = *destination;
	found = find_next_hop(skb, packet, &serving->next_hop);
	packet->tuple.destination = before;
	if (is_tunnel(&serving->next_hop) &&
	    address_is_mapped((const struct ip_address *)serving->next_hop.neighbour.ipv6_nh) &&
	    may_be_cut(skb, packet))
		return true; /* the tunnel's device cuts what it makes of it; not so by IPv6 */
	return found;
}

/*
 * What has no way: too long a packet is answered, since the stack would tell whom it was translated
 * for; the rest is the stack's, which finds no route to a Service.
 */
static __always_inline int without_way(struct __sk_buff *skb, const struct flow *flow,
				       const struct next_hop *next_hop)
{
	if (next_hop->mtu)
		return answer_with_error(skb, flow, DROP_UNKNOWN_L3_TARGET, next_hop->mtu);
	return pass(skb, flow);
}

/* A translated packet, on the way that was found. Returns the verdict. */
static __always_inline int send_served(struct __sk_buff *skb, const struct flow *flow,
				       struct next_hop *next_hop)
{
	const struct connection *connection = flow->connection;

	if (connection && poses_as_node(skb, flow->packet, &connection->remote))
		return drop(skb, flow, DROP_ENCAPSULATION_PROHIBITED);
	if (flow->interface && flow->interface->flags & INTERFACE_STACK_ROUTED)
		return pass(skb, flow);
	if (!flow->receiver) {
		mark_source_decided(skb);
		return send_to_next_hop(skb, flow, next_hop);
	}
	if (flow->receiver->flags & ENDPOINT_HOST)
		return pass(skb, flow);
	return admit(skb, flow);
}

/* A packet of a connection to a Service that stands; of its local end. Returns the verdict. */
static __noinline int serve_known(struct __sk_buff *skb, struct flow *flow, struct serving *serving)
{
	struct connection *connection = flow->connection;
	int error;

	if (!connection)
		return drop(skb, flow, DROP_CONNECTION_NOT_MADE);
	if (!find_way(skb, flow, serving, &connection->remote))
		return without_way(skb, flow, &serving->next_hop);
	connection_touch(skb, connection, &serving->packet, connection->flags & CONNECTION_INBOUND);
	connection_stands_for(connection, OWNER_SERVICES);
	error = translate_out(skb, &serving->packet, connection);
	return error ? drop(skb, flow, error) : send_served(skb, flow, &serving->next_hop);
}

#endif
