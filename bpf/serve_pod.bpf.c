/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * serve_pod: what a pod sends to a Service, where no program saw its socket. from_pod hands it over
 * behind its step 7. docs/DATAPATH.md, section "from_pod"; the numbers are its steps.
 */
#include "lib/interface.h"
#include "lib/serve.h"
#include "lib/service_gate.h"

/*
 * Open the connection of a pod to a backend that is on no device of this node: masqueraded as any
 * flow to there is. `packet` has the backend as its destination. NULL: it cannot be made.
 */
static __noinline struct connection *open_beyond(struct __sk_buff *skb, const struct packet *packet,
						 const struct opener *pod, __u32 ifindex)
{
	const struct ip_address *address = masquerade_address(ifindex, packet->is_v6);
	struct masquerade_verdict verdict = {};
	struct connection *opened = NULL;

	if (!address || in_native_prefix(&packet->tuple.destination, packet->is_v6) ||
	    is_cluster(&packet->tuple.destination) || rules_keep(packet, pod, &verdict))
		return open_served(skb, packet, pod);
	address = address_by_rule(&verdict, address);
	return open_masqueraded(skb, packet, address, &verdict, pod, &opened) ? NULL : opened;
}

/*
 * The connection of a pod's flow to `backend`, which the packet names by now: to itself, near, or
 * beyond. NULL: it cannot be made.
 */
static __always_inline struct connection *
open_to_backend(struct __sk_buff *skb, const struct flow *flow, const struct serving *serving)
{
	const struct packet *packet = &serving->packet;

	if (flow->receiver || !serving->next_hop.ifindex)
		return open_served(skb, packet, &serving->opener);
	return open_beyond(skb, packet, &serving->opener, serving->next_hop.ifindex);
}

/* The first packet of a pod's flow to a Service. Returns the verdict. */
static __always_inline int serve_new(struct __sk_buff *skb, struct flow *flow,
				     struct serving *serving, const struct frontend *frontend)
{
	struct tuple *tuple = &serving->packet.tuple;
	const struct interface *pod = flow->interface;
	struct asked *asked = asked_here();
	const struct backend *backend;
	int error;

	if (!asked || !pod)
		return drop(skb, flow, DROP_UNKNOWN_ENDPOINT);
	backend = choose_backend(&serving->packet, frontend, SCOPE_INSIDE, asked);
	if (!backend)
		return refuse_for_backend(skb, flow);
	if (!find_way(skb, flow, serving, &backend->address))
		return without_way(skb, flow, &serving->next_hop);
	serving->opener.owner = pod->endpoint_id;
	serving->opener.identity = pod->identity;
	serving->opener.asks = true;
	tuple->destination = backend->address;
	tuple->destination_port = backend->port;
	flow->connection = open_to_backend(skb, flow, serving);
	tuple->destination = asked->address;
	tuple->destination_port = asked->port;
	if (!flow->connection)
		return drop(skb, flow, DROP_CONNECTION_NOT_MADE);
	note_service_end(pod->endpoint_id);
	error = translate_out(skb, &serving->packet, flow->connection);
	return error ? drop(skb, flow, error) : send_served(skb, flow, &serving->next_hop);
}

/* The answer of a pod to itself, as the backend of a Service that it asked. Returns the verdict. */
static __noinline int serve_itself(struct __sk_buff *skb, struct flow *flow)
{
	struct connection *connection = connection_of_receiver(flow->packet);
	int error;

	if (!connection || !is_of_service(connection) || connection_is_over(connection))
		return drop(skb, flow, DROP_UNKNOWN_L3_TARGET);
	connection_touch(skb, connection, flow->packet, true);
	error = translate_in(skb, flow->packet, connection);
	if (error)
		return drop(skb, flow, error);
	flow->receiver = bpf_map_lookup_elem(&endpoints, &connection->local);
	if (!flow->receiver)
		return drop(skb, flow, DROP_STALE_OR_UNROUTABLE_IP);
	return admit(skb, flow);
}

SEC("tc")
int serve_pod(struct __sk_buff *skb)
{
	struct serving *serving = serving_here();
	struct flow flow = {.point = FROM_POD};
	const struct frontend *frontend;
	struct packet *packet;
	int error;

	flow.interface = interface_of(skb);
	if (!flow.interface || !serving)
		return drop(skb, &flow, DROP_UNKNOWN_ENDPOINT);
	__builtin_memset(serving, 0, sizeof(*serving));
	flow.packet = packet = &serving->packet;
	error = parse_l3(skb, packet);
	if (!error)
		error = parse_l4(skb, packet);
	if (error)
		return drop(skb, &flow, error == NOT_IP ? DROP_UNSUPPORTED_L3_PROTOCOL : error);

	if (address_is_service_loopback(&packet->tuple.destination, packet->is_v6))
		return serve_itself(skb, &flow);
	flow.connection = connection_of_sender(packet); /* 7 */
	if (flow.connection && is_of_service(flow.connection) &&
	    service_goes_on(flow.connection, packet))
		return serve_known(skb, &flow, serving); /* 9 */
	flow.receiver = bpf_map_lookup_elem(&endpoints, &packet->tuple.destination);
	frontend = frontend_of_packet(&flow); /* 8 */
	if (!frontend || frontend->flags & FRONTEND_UNKNOWN_PORT)
		return refuse_for_backend(skb, &flow); /* it was one when the flow began */
	return serve_new(skb, &flow, serving, frontend); /* 8, 9 */
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
