/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * to_uplink: what leaves by a device of the node (tcx or tc egress); here pods are masqueraded.
 * docs/DATAPATH.md, section "to_uplink".
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

/* Is the destination a node or a pod of this cluster? (routing-masquerading.md, 2.4, row 8) */
static __always_inline bool is_cluster(const struct ip_address *destination)
{
	struct ipcache_entry *entry = ipcache_lookup(destination);

	return entry && is_never_masqueraded(entry);
}

/* The node's own packets take part only where their port could meet one of a pod's flows. */
static __always_inline int reserve_node_port(struct __sk_buff *skb, const struct packet *packet,
					     const struct ip_address *own)
{
	if (packet->l4_kind != L4_PORTS || !nat_port_in_range(packet->tuple.source_port))
		return 0;
	return nat_out(skb, packet, own);
}

static __always_inline int masquerade(struct __sk_buff *skb, const struct packet *packet,
				      const struct ip_address *own)
{
	struct ip_address node;
	bool hit;

	switch (packet->l4_kind) {
	case L4_PORTS:
	case L4_ECHO_REQUEST:
		return nat_out(skb, packet, own);
	case L4_ICMP_ERROR: /* about an unknown flow: it leaves as it is */
		return nat_icmp_error(skb, packet, TUPLE_OUT, &node, &hit);
	case L4_ICMP_OTHER:
		return DROP_NAT_UNSUPPORTED_PROTOCOL;
	}
	return 0; /* echo replies, and protocols without ports: they leave as they are */
}

SEC("tc")
int to_uplink(struct __sk_buff *skb)
{
	const struct ip_address *own;
	struct packet packet = {};
	bool from_node;
	int error;

	if (skb->vlan_present || parse_l3(skb, &packet))
		return pass(skb, TO_UPLINK);
	own = masquerade_address(skb, &packet);
	if (!own || in_native_prefix(&packet.tuple.destination, packet.is_v6))
		return pass(skb, TO_UPLINK);
	from_node = address_equal(&packet.tuple.source, own);
	if (!from_node && !is_local_pod(&packet.tuple.source))
		return pass(skb, TO_UPLINK);

	error = parse_l4(skb, &packet);
	if (error)
		return from_node ? pass(skb, TO_UPLINK) : drop(skb, error, TO_UPLINK);
	if (!nat_is_live(&packet) && (is_cluster(&packet.tuple.destination) ||
				      (!from_node && connection_is_reply(skb, &packet))))
		return pass(skb, TO_UPLINK);
	error = from_node ? reserve_node_port(skb, &packet, own) : masquerade(skb, &packet, own);
	return error ? drop(skb, error, TO_UPLINK) : pass(skb, TO_UPLINK);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
