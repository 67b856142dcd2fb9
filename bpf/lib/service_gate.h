/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which packets the programs of Services must see: serve_pod and serve_outside, apart from those
 * that all packets pass, which are verified and read without them.
 */
#ifndef CILIATE_SERVICE_GATE_H
#define CILIATE_SERVICE_GATE_H

#include "flow.h"
#include "ipcache.h"
#include "service.h"
#include "service_flow.h"

/*
 * May a pod's packet of no known flow name a Service? Not one to another pod; and inside the native
 * routing CIDR only where the agent has found a Service's address there.
 */
static __always_inline bool may_name_service(struct __sk_buff *skb, struct flow *flow)
{
	struct packet *packet = flow->packet;
	__u32 first = 0;
	const __u32 *in_native;

	if (flow->receiver && !(flow->receiver->flags & ENDPOINT_HOST))
		return false;
	if (!flow->receiver && in_native_prefix(&packet->tuple.destination, packet->is_v6)) {
		in_native = bpf_map_lookup_elem(&service_in_native, &first);
		if (!in_native || !*in_native)
			return false;
	}
	if (packet->l4_kind == L4_OTHER)
		flow->l4_error = parse_l4(skb, packet);
	return !flow->l4_error && has_service_port(packet);
}

/* The node port that a pod's packet names at another node; NULL: it goes to no node. */
static __noinline const struct frontend *frontend_of_another_node(const struct packet *packet)
{
	const struct tuple *tuple = &packet->tuple;

	if (!is_address_of_a_node(&tuple->destination))
		return NULL;
	return frontend_of_node(packet->is_v6, tuple->destination_port, tuple->protocol,
				SCOPE_INSIDE);
}

/*
 * The frontend that a pod's packet names: at exactly that address, or a node port of another node.
 * An external IP that is no address of this node is left alone, as at sockets; a hostPort is
 * entered at addresses of its node only.
 */
static __always_inline const struct frontend *frontend_of_packet(const struct flow *flow)
{
	const struct tuple *tuple = &flow->packet->tuple;
	const struct frontend *frontend = frontend_at(&tuple->destination, tuple->destination_port,
						      tuple->protocol, SCOPE_INSIDE);

	if (frontend && frontend->type == FRONTEND_EXTERNAL_IP && !external_ips_for_all &&
	    !flow->receiver)
		return NULL;
	if (!frontend && !flow->receiver && !remote_node_ports_outside &&
	    is_node_port(tuple->destination_port))
		return frontend_of_another_node(flow->packet);
	return frontend;
}

/*
 * A pod that asks a backend itself, from the port that it asked a Service from, is answered by that
 * backend: what was translated between the two is over. Of TCP a SYN says so.
 */
static __noinline void end_crossed(const struct packet *packet)
{
	struct tuple key = tuple_reversed(&packet->tuple);
	struct connection *connection;

	key.direction = TUPLE_IN;
	connection = connection_find(&key);
	if (connection && asks_service(connection))
		connection_finish(connection);
}

/*
 * Does a pod answer a client that it knows by another port? What the stack sends is translated when
 * it leaves by a device: before, it would come from an address of the node.
 */
static __always_inline bool answers_other_port(const struct flow *flow)
{
	return flow->connection->flags & CONNECTION_OTHER_PORT &&
	       !(flow->interface->flags & INTERFACE_STACK_ROUTED);
}

/* Must serve_pod see what a pod sends, after its connection and receiver were looked up? */
static __always_inline bool pod_asks_service(struct __sk_buff *skb, struct flow *flow)
{
	if (!services_by_packet || dry_run)
		return false;
	if (flow->connection)
		return asks_service(flow->connection) || answers_other_port(flow);
	if (has_service_port(flow->packet) &&
	    (flow->packet->tuple.protocol == IPPROTO_UDP || is_syn(flow->packet)) &&
	    is_service_end(flow->interface->endpoint_id))
		end_crossed(flow->packet);
	return address_is_service_loopback(&flow->packet->tuple.destination, flow->packet->is_v6) ||
	       (may_name_service(skb, flow) && frontend_of_packet(flow));
}

#endif
