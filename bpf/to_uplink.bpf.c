/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * to_uplink: what leaves by a device of the node (tcx or tc egress); here pods are masqueraded.
 * docs/DATAPATH.md, section "to_uplink"; the numbers are the rows of its table.
 */
#include "lib/conntrack.h"
#include "lib/ipcache.h"
#include "lib/nat.h"
#include "lib/parse.h"
#include "lib/verdict.h"

/* The address pods get behind this device; NULL when masquerading of the family is off. */
static __always_inline const struct ip_address *masquerade_address(struct __sk_buff *skb,
								   const struct packet *packet)
{
	__u32 ifindex = skb->ifindex;
	struct masquerade_address *own;

	if (!(packet->is_v6 ? masquerade_v6 : masquerade_v4))
		return NULL;
	own = bpf_map_lookup_elem(&masquerade_addresses, &ifindex);
	if (!own)
		return NULL;
	if (packet->is_v6)
		return address_is_zero(&own->ipv6) ? NULL : &own->ipv6;
	return address_is_zero(&own->ipv4) ? NULL : &own->ipv4;
}

static __always_inline bool is_local_pod(const struct ip_address *address)
{
	struct endpoint *endpoint = bpf_map_lookup_elem(&endpoints, address);

	return endpoint && !(endpoint->flags & ENDPOINT_HOST);
}

/* A node or a pod of this cluster, which know the way to every pod? */
static __always_inline bool is_cluster(const struct ip_address *destination)
{
	struct ipcache_entry *entry = ipcache_lookup(destination);

	return entry && is_never_masqueraded(entry);
}

/* Does a packet that is of no masqueraded flow leave with its own address? */
static __always_inline bool keeps_address(struct __sk_buff *skb, const struct flow *flow)
{
	return is_cluster(&flow->packet->tuple.destination) || /* 7 */
	       (!flow->from_node && connection_is_reply(skb, flow->packet)); /* 8 */
}

/* The node's own packets take part only where their port could meet one of a pod's flows. */
static __always_inline int reserve_node_port(struct __sk_buff *skb, const struct flow *flow)
{
	if (flow->packet->l4_kind != L4_PORTS ||
	    !nat_port_in_range(flow->packet->tuple.source_port))
		return 0;
	return nat_out(skb, flow);
}

/* What a pod sends: 0, or a drop reason. */
static __always_inline int hide_pod(struct __sk_buff *skb, const struct flow *flow)
{
	struct ip_address node;
	int result;

	switch (flow->packet->l4_kind) {
	case L4_PORTS:
	case L4_ECHO_REQUEST:
		return nat_out(skb, flow);
	case L4_ICMP_ERROR: /* about an unknown flow: it leaves as it is */
		result = nat_icmp_error(skb, flow->packet, TUPLE_OUT, &node);
		return result == NAT_MISS ? 0 : result;
	case L4_ICMP_OTHER:
		return DROP_NAT_UNSUPPORTED_PROTOCOL;
	}
	return 0; /* echo replies, and protocols without ports: they leave as they are */
}

/* All rows 9: 0, or a drop reason. */
static __always_inline int masquerade(struct __sk_buff *skb, const struct flow *flow)
{
	return flow->from_node ? reserve_node_port(skb, flow) : hide_pod(skb, flow);
}

SEC("tc")
int to_uplink(struct __sk_buff *skb)
{
	struct packet packet = {};
	struct flow flow = {.point = TO_UPLINK, .packet = &packet};
	int error;

	if (skb->vlan_present || parse_l3(skb, &packet)) /* 1 */
		return pass(skb, &flow);

	flow.masquerade_address = masquerade_address(skb, &packet); /* 2 */
	if (!flow.masquerade_address)
		return pass(skb, &flow);

	if (in_native_prefix(&packet.tuple.destination, packet.is_v6)) /* 3 */
		return pass(skb, &flow);

	flow.from_node = address_equal(&packet.tuple.source, flow.masquerade_address);
	if (!flow.from_node && !is_local_pod(&packet.tuple.source)) /* 4 */
		return pass(skb, &flow);

	error = parse_l4(skb, &packet); /* 5 */
	if (error)
		return flow.from_node ? pass(skb, &flow) : drop(skb, &flow, error);

	flow.nat_entry = nat_find(&packet); /* 6 */
	if (!flow.nat_entry && keeps_address(skb, &flow)) /* 7, 8 */
		return pass(skb, &flow);

	error = masquerade(skb, &flow); /* 9 */
	return error ? drop(skb, &flow, error) : pass(skb, &flow);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
