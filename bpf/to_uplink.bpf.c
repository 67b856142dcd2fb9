/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * to_uplink: what leaves by a device of the node (tcx or tc egress) and from_pod has not decided:
 * the node's own packets, and what the stack routed. docs/DATAPATH.md, section "to_uplink"; the
 * numbers are the rows of its table.
 */
#define REWRITES_IN_PLACE 0 /* all that leaves comes by here, and hardly any of it is changed */

#include "lib/encapsulate.h"
#include "lib/masquerade.h"
#include "lib/parse.h"
#include "lib/service_answer.h"
#include "lib/verdict.h"

SEC("tc")
int to_uplink(struct __sk_buff *skb)
{
	struct packet packet = {};
	struct flow flow = {.point = TO_UPLINK, .packet = &packet};
	const struct endpoint *sender;
	__u32 ifindex = skb->ifindex;
	int error;

	if (source_is_decided(skb) || has_vlan_tag(skb) || parse_l3(skb, &packet)) /* 1 */
		return pass(skb, &flow);
	/* What the tunnel's device sends is marked; here a rule of the stack led a pod's. */
	if (poses_as_node(skb, &packet, &packet.tuple.destination))
		return drop(skb, &flow, DROP_ENCAPSULATION_PROHIBITED);

	if (is_service_end(OWNER_NODE) && answers_client(skb, &flow)) { /* 2 */
		error = translate_out(skb, &packet, flow.connection);
		return error ? drop(skb, &flow, error) : pass(skb, &flow);
	}
	if (!is_service_end(OWNER_SERVICES)) { /* else the node's ports are taken toward pods too */
		if (in_native_prefix(&packet.tuple.destination, packet.is_v6)) /* 3 */
			return pass(skb, &flow);
		if (!masquerade_address(ifindex, packet.is_v6)) /* 4 */
			return pass(skb, &flow);
	}

	sender = bpf_map_lookup_elem(&endpoints, &packet.tuple.source); /* 5 */
	if (!sender)
		return pass(skb, &flow);
	if (sender->flags & ENDPOINT_HOST) {
		if (parse_l4(skb, &packet)) /* 6 */
			return pass(skb, &flow);
		error = masquerade_node(skb, &packet); /* 7 */
	} else { /* 8 */
		struct opener pod = {.owner = sender->endpoint_id, .identity = sender->identity};

		seek_connection(skb, &flow);
		error = masquerade_pod(skb, &flow, &pod, ifindex);
	}
	return error ? drop(skb, &flow, error) : pass(skb, &flow);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
