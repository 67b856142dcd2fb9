/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * to_uplink: what leaves by a device of the node (tcx or tc egress) and from_pod has not decided:
 * the node's own packets, and what the stack routed. docs/DATAPATH.md, section "to_uplink"; the
 * numbers are the rows of its table.
 */
#include "lib/masquerade.h"
#include "lib/parse.h"
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

	if (!masquerade_address(ifindex, packet.is_v6)) /* 2 */
		return pass(skb, &flow);
	if (in_native_prefix(&packet.tuple.destination, packet.is_v6)) /* 3 */
		return pass(skb, &flow);

	sender = bpf_map_lookup_elem(&endpoints, &packet.tuple.source); /* 4 */
	if (!sender)
		return pass(skb, &flow);
	if (sender->flags & ENDPOINT_HOST) {
		if (parse_l4(skb, &packet)) /* 5 */
			return pass(skb, &flow);
		error = masquerade_node(skb, &packet); /* 6 */
	} else { /* 7 */
		struct opener pod = {sender->endpoint_id, sender->identity};

		error = masquerade_pod(skb, &packet, &pod, ifindex);
	}
	return error ? drop(skb, &flow, error) : pass(skb, &flow);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
