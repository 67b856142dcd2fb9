/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * serve_outside: what a client outside sends to a Service, by an address of this node or one that
 * leads here. from_uplink hands it over at its step 4; docs/DATAPATH.md, section "from_uplink".
 */
#include "lib/serve.h"

/* May this client use the frontend from outside? 0 or a drop reason. */
static __always_inline int judge_client(const struct packet *packet,
					const struct frontend *frontend)
{
	struct source_range_key key = {
		.prefix_length = 32 + 128,
		.service = frontend->service,
		.address = packet->tuple.source,
	};
	bool denies = frontend->flags & FRONTEND_DENY_RANGES;

	if (frontend->flags & FRONTEND_SOURCE_RANGES &&
	    (bpf_map_lookup_elem(&source_ranges, &key) != NULL) == denies)
		return DROP_NOT_IN_SOURCE_RANGE;
	if (frontend->flags & FRONTEND_INSIDE_ONLY)
		return DROP_CLUSTER_IP_FROM_OUTSIDE;
	return frontend->flags & FRONTEND_UNKNOWN_PORT ? DROP_NO_BACKEND : 0;
}

/*
 * The connection of a client to a backend elsewhere, which the packet names by now: behind an
 * address of this node, so that the answer comes back here. NULL: it cannot be made.
 */
static __noinline struct connection *open_elsewhere(struct __sk_buff *skb,
						    const struct serving *serving)
{
	const struct packet *packet = &serving->packet;
	__u32 ifindex = serving->next_hop.ifindex;
	const struct masquerade_address *own = bpf_map_lookup_elem(&masquerade_addresses, &ifindex);
	const struct masquerade_verdict by_no_rule = {};
	__u8 is_v6 = READ_ONCE(packet->is_v6); /* in a map the verifier knows no bool */
	const struct ip_address *address;
	struct connection *opened = NULL;

	if (!own)
		return NULL;
	address = is_v6 ? &own->ipv6 : &own->ipv4;
	if (address_is_zero(address) ||
	    open_masqueraded(skb, packet, address, &by_no_rule, &serving->opener, &opened))
		return NULL;
	return opened;
}

/* The first packet of a client's flow to a Service. Returns the verdict. */
static __always_inline int serve_client(struct __sk_buff *skb, struct flow *flow,
					struct serving *serving, const struct frontend *frontend)
{
	struct packet *packet = &serving->packet;
	struct tuple *tuple = &packet->tuple;
	struct asked *asked = asked_here();
	const struct backend *backend;
	int error;

	if (!asked)
		return drop(skb, flow, DROP_NO_BACKEND);
	backend = choose_backend(packet, frontend, SCOPE_OUTSIDE, asked);
	if (!backend)
		return frontend->flags & FRONTEND_DROP_IF_EMPTY ? drop(skb, flow, DROP_NO_BACKEND)
								: refuse_for_backend(skb, flow);
	if (!find_way(skb, flow, serving, &backend->address))
		return without_way(skb, flow, &serving->next_hop);
	serving->opener.owner = OWNER_OUTSIDE;
	serving->opener.identity = IDENTITY_WORLD;
	serving->opener.asks = true;
	tuple->destination = backend->address;
	tuple->destination_port = backend->port;
	if (flow->receiver) {
		if (flow->receiver->flags & (ENDPOINT_HOST | ENDPOINT_STACK_ROUTED))
			note_service_end(OWNER_NODE); /* what it answers is sent by the stack */
		if (!(flow->receiver->flags & ENDPOINT_HOST))
			note_service_end(flow->receiver->endpoint_id);
		flow->connection = open_inbound(skb, packet, &serving->opener);
	} else {
		note_service_end(OWNER_SERVICES);
		flow->connection = open_elsewhere(skb, serving);
	}
	tuple->destination = asked->address;
	tuple->destination_port = asked->port;
	if (!flow->connection)
		return drop(skb, flow, DROP_CONNECTION_NOT_MADE);
	error = flow->receiver ? translate_in(skb, packet, flow->connection)
			       : translate_out(skb, packet, flow->connection);
	return error ? drop(skb, flow, error) : send_served(skb, flow, &serving->next_hop);
}

/*
 * An ICMP error from outside: about what was sent on for a client, what a client was answered, or
 * what a pod of this node sent to a Service. Returns the verdict.
 */
static __noinline int serve_error(struct __sk_buff *skb, struct flow *flow, struct serving *serving)
{
	struct packet *packet = &serving->packet;
	int result = error_to_local(skb, packet);

	if (result == NAT_MISS)
		result = error_to_backend(skb, packet);
	if (result == NAT_MISS)
		return pass(skb, flow);
	if (result > 0)
		return drop(skb, flow, result);
	if (!find_way(skb, flow, serving, &packet->tuple.destination))
		return drop(skb, flow, DROP_UNKNOWN_L3_TARGET);
	return send_served(skb, flow, &serving->next_hop);
}

SEC("tc")
int serve_outside(struct __sk_buff *skb)
{
	struct serving *serving = serving_here();
	struct flow flow = {.point = FROM_UPLINK};
	const struct frontend *frontend;
	struct packet *packet;
	struct tuple *tuple;
	int error;

	if (!serving)
		return pass(skb, &flow);
	__builtin_memset(serving, 0, sizeof(*serving));
	flow.packet = packet = &serving->packet;
	tuple = &packet->tuple;
	if (parse_l3(skb, packet) || parse_l4(skb, packet))
		return pass(skb, &flow);
	if (packet->l4_kind == L4_ICMP_ERROR)
		return serve_error(skb, &flow, serving);
	if (!has_service_port(packet))
		return pass(skb, &flow);

	flow.connection = connection_of_sender(packet);
	if (flow.connection && is_of_service(flow.connection) &&
	    service_goes_on(flow.connection, packet))
		return serve_known(skb, &flow, serving);
	frontend = frontend_at(&tuple->destination, tuple->destination_port, tuple->protocol,
			       SCOPE_OUTSIDE);
	if (!frontend)
		return pass(skb, &flow);
	error = judge_client(packet, frontend);
	if (error)
		return drop(skb, &flow, error);
	return serve_client(skb, &flow, serving, frontend);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
