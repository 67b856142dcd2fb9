/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * from_host: what the node's stack sends to pods of other nodes through a tunnel, seen where it
 * leaves by the router's device (tcx or tc egress): the node's own packets, and those of pods that
 * the stack routed. docs/DATAPATH.md, section "from_host"; the numbers are its steps.
 */
#define REWRITES_IN_PLACE 0

#include "lib/encapsulate.h"
#include "lib/masquerade.h"
#include "lib/parse.h"
#include "lib/service_answer.h"
#include "lib/verdict.h"

/* Give the node's packet the source and port that it must leave with. 0 or a drop reason. */
static __always_inline int translate_own(struct __sk_buff *skb, struct flow *flow)
{
	if (is_service_end(OWNER_NODE) && answers_client(skb, flow))
		return translate_out(skb, flow->packet, flow->connection);
	if (is_service_end(OWNER_SERVICES) && !parse_l4(skb, flow->packet))
		return masquerade_node(skb, flow->packet);
	return 0;
}

/* What the other end is told of who sends. */
static __always_inline __u32 identity_at_other_nodes(const struct endpoint *sender)
{
	if (!sender)
		return IDENTITY_WORLD; /* the node forwards it for others */
	return sender->flags & ENDPOINT_HOST ? IDENTITY_REMOTE_NODE : sender->identity;
}

SEC("tc")
int from_host(struct __sk_buff *skb)
{
	struct packet packet = {};
	struct flow flow = {.point = FROM_HOST, .packet = &packet};
	const struct tunnel_device *device = tunnel_device_here();
	const struct endpoint *sender;
	const struct ip_address *node;
	int error;

	error = parse_l3(skb, &packet); /* 1 */
	if (error)
		return drop(skb, &flow, error == NOT_IP ? DROP_UNSUPPORTED_L3_PROTOCOL : error);

	if (address_is_multicast(&packet.tuple.destination, packet.is_v6))
		return pass(skb, &flow); /* the stack's own, of the device */

	sender = bpf_map_lookup_elem(&endpoints, &packet.tuple.source);
	if (sender && sender->flags & ENDPOINT_HOST) { /* 2 */
		error = translate_own(skb, &flow);
		if (error)
			return drop(skb, &flow, error);
	}

	node = tunnel_endpoint(&packet.tuple.destination); /* 3 */
	if (!node || !device)
		return drop(skb, &flow, DROP_NO_TUNNEL_ENDPOINT);
	return send_in_tunnel(skb, &flow, device->ifindex, node, identity_at_other_nodes(sender));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
