/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * from_pod: what a pod sends, seen at the host side of its veth (tc ingress).
 * docs/DATAPATH.md, section "from_pod"; the numbers are its steps.
 */
#include "lib/admit.h"
#include "lib/arp.h"
#include "lib/discovery.h"
#include "lib/encapsulate.h"
#include "lib/interface.h"
#include "lib/leave.h"
#include "lib/parse.h"
#include "lib/service_gate.h"
#include "lib/verdict.h"

/* Does a pod that may send from any address send to the tunnel's port, wherever, from another's? */
static __always_inline bool forges_node(struct __sk_buff *skb, const struct flow *flow)
{
	return encapsulates && goes_to_port(skb, flow->packet, bpf_htons(tunnel_port)) &&
	       !is_own_address(flow, &flow->packet->tuple.source);
}

SEC("tc")
int from_pod(struct __sk_buff *skb)
{
	struct packet packet = {};
	struct flow flow = {.point = FROM_POD, .packet = &packet};
	int error;

	flow.interface = interface_of(skb); /* 1 */
	if (!flow.interface)
		return drop(skb, &flow, DROP_UNKNOWN_ENDPOINT);

	if (has_vlan_tag(skb) ||
	    !drop_priority_tag(
		    skb)) /* 2: the tag would leave with it, into a network of the node's */
		return drop(skb, &flow, DROP_VLAN_NOT_ALLOWED);
	if (skb->protocol == bpf_htons(ETH_P_ARP))
		return is_chained(&flow) ? pass(skb, &flow) : answer_arp(skb, &flow);

	error = parse_l3(skb, &packet); /* 3 */
	if (error)
		return drop(skb, &flow, error == NOT_IP ? DROP_UNSUPPORTED_L3_PROTOCOL : error);
	if (is_chained(&flow) && stays_on_link(skb, &packet))
		return pass(skb, &flow);
	if (is_neighbour_discovery(skb, &packet))
		return drop(skb, &flow, DROP_FORBIDDEN_ICMPV6);

	if (verify_source && !is_own_address(&flow, &packet.tuple.source)) /* 4 */
		return drop(skb, &flow, DROP_INVALID_SOURCE_IP);

	if (address_is_multicast(&packet.tuple.destination, packet.is_v6)) /* 5 */
		return drop(skb, &flow, DROP_UNKNOWN_L3_TARGET);
	if (poses_as_node(skb, &packet, &packet.tuple.destination) ||
	    (!verify_source && forges_node(skb, &flow)))
		return drop(skb, &flow, DROP_ENCAPSULATION_PROHIBITED);

	seek_connection(skb, &flow); /* 6, 7 */
	if (!flow.connection) /* else it goes outside, and if not the kernel's table says so */
		flow.receiver = bpf_map_lookup_elem(&endpoints, &packet.tuple.destination);
	if (pod_asks_service(skb, &flow)) { /* 8, 9 */
		bpf_tail_call(skb, &service_programs, SERVE_POD);
		return drop(skb, &flow, DROP_MISSED_TAIL_CALL);
	}

	if (flow.interface->flags & INTERFACE_STACK_ROUTED) { /* the stack sends what it sends */
		note_step(DECISION_STACK);
		return pass(skb, &flow);
	}
	if (!flow.receiver) /* 10 */
		return leave(skb, &flow); /* 11, 12, 13 */
	note_step(flow.receiver->flags & ENDPOINT_HOST ? DECISION_NODE : DECISION_POD);
	if (flow.receiver->flags & ENDPOINT_HOST)
		return pass(skb, &flow);
	return admit(skb, &flow); /* 13 */
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
