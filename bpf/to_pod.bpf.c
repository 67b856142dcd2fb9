/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * to_pod: what the node's stack sends to a pod, seen at the host side of its veth (tc egress).
 * Packets from other pods and from the network do not pass here: they are redirected to the
 * pod's end. docs/DATAPATH.md, section "to_pod"; the numbers are its steps.
 */
#include "lib/admit.h"
#include "lib/discovery.h"
#include "lib/interface.h"
#include "lib/parse.h"
#include "lib/verdict.h"

SEC("tc")
int to_pod(struct __sk_buff *skb)
{
	struct packet packet = {};
	struct flow flow = {.point = TO_POD, .packet = &packet};
	int error;

	flow.interface = interface_of(skb); /* 1 */
	if (!flow.interface)
		return drop(skb, &flow, DROP_UNKNOWN_ENDPOINT);

	if (skb->protocol == bpf_htons(ETH_P_ARP)) /* 2: our own answers, or another plugin's */
		return pass(skb, &flow);

	error = parse_l3(skb, &packet); /* 3 */
	if (error)
		return drop(skb, &flow, error == NOT_IP ? DROP_UNSUPPORTED_L3_PROTOCOL : error);
	if (is_chained(&flow) && stays_on_link(skb, &packet))
		return pass(skb, &flow);

	/* 4: a route may outlive its endpoint */
	if (!is_own_address(&flow, &packet.tuple.destination))
		return drop(skb, &flow, DROP_STALE_OR_UNROUTABLE_IP);

	return admit(skb, &flow); /* 5 */
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
