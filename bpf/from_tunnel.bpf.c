/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * from_tunnel: what comes out of the tunnel from another node, seen at the tunnel's device (tcx or
 * tc ingress). docs/DATAPATH.md, section "from_tunnel"; the numbers are its steps.
 */
#include "lib/arrive.h"
#include "lib/encapsulate.h"

static __always_inline bool is_other_node(const struct ipcache_entry *entry)
{
	return entry && (entry->identity == IDENTITY_REMOTE_NODE ||
			 entry->identity == IDENTITY_KUBE_APISERVER);
}

/*
 * May another node have sent it? It comes from an address of one and speaks for no host (a node's
 * own processes are "remote-node" here). Its source is no address of this node or of a pod on it,
 * and if it is a node's, then of the node that sent it. The sender's identity, or a drop reason
 * below zero. Not inline: its place on the stack is free again before connections need theirs.
 */
static __noinline int judge_sender(struct __sk_buff *skb, const struct ip_address *from)
{
	const struct ipcache_entry *sender, *source;
	struct ip_address node;
	__u32 identity;

	if (!read_tunnel_key(skb, &node, &identity))
		return -DROP_NO_TUNNEL_KEY;
	sender = ipcache_lookup(&node);
	if (!is_other_node(sender))
		return -DROP_UNKNOWN_SENDER;
	if (identity == IDENTITY_HOST || identity == IDENTITY_UNKNOWN)
		return -DROP_INVALID_IDENTITY;
	if (bpf_map_lookup_elem(&endpoints, from))
		return -DROP_INVALID_SOURCE_IP;
	source = ipcache_lookup(from);
	if (source && is_of_a_node(source) && !address_equal(&source->node, &sender->node))
		return -DROP_INVALID_SOURCE_IP;
	return identity; /* of 24 bits */
}

/* Is the address one of this node's CIDRs? */
static __always_inline bool is_of_this_node(const struct ip_address *address)
{
	const struct ipcache_entry *entry = ipcache_lookup(address);
	const struct endpoint *node;

	if (!entry || !(entry->flags & IPCACHE_CLUSTER))
		return false;
	node = bpf_map_lookup_elem(&endpoints, &entry->node);
	return node && node->flags & ENDPOINT_HOST;
}

SEC("tc")
int from_tunnel(struct __sk_buff *skb)
{
	struct packet packet = {};
	struct flow flow = {.point = FROM_TUNNEL, .packet = &packet};
	int error;

	if (has_vlan_tag(skb)) /* 1 */
		return drop(skb, &flow, DROP_VLAN_NOT_ALLOWED);
	error = parse_l3(skb, &packet); /* 2 */
	if (error)
		return drop(skb, &flow, error == NOT_IP ? DROP_UNSUPPORTED_L3_PROTOCOL : error);

	error = judge_sender(skb, &packet.tuple.source); /* 3 */
	if (error < 0)
		return drop(skb, &flow, -error);
	flow.identity = error;

	flow.receiver = bpf_map_lookup_elem(&endpoints, &packet.tuple.destination); /* 4 */
	if (!flow.receiver && !is_of_this_node(&packet.tuple.destination))
		return drop(skb, &flow, DROP_STALE_OR_UNROUTABLE_IP);

	/* The MAC address inside is no device's here; the stack takes what is for the node. */
	if (bpf_skb_change_type(skb, PACKET_HOST))
		return drop(skb, &flow, DROP_WRITE_ERROR);
	return arrive(skb, &flow, PACKET_HOST); /* 5 */
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
