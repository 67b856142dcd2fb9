/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * from_uplink: what arrives at a device of the node (tcx or tc ingress).
 * docs/DATAPATH.md, section "from_uplink"; the numbers are its steps.
 */
#include "lib/arrive.h"
#include "lib/encapsulate.h"
#include "lib/l2_announce.h"

/* Is it for the tunnel's device, which takes it out of its headers? */
static __always_inline bool is_for_tunnel(struct __sk_buff *skb, const struct flow *flow,
					  const struct tunnel_device *device)
{
	return device && flow->receiver && flow->receiver->flags & ENDPOINT_HOST &&
	       goes_to_port(skb, flow->packet, device->port);
}

/*
 * What other nodes send in the tunnel, they send to the one address that they know. At any other, a
 * pod's own packet may have come, behind its node's address: who lets it go does not know whose
 * that is. Returns the verdict.
 */
static __always_inline int pass_to_tunnel(struct __sk_buff *skb, const struct flow *flow,
					  const struct tunnel_device *device)
{
	const struct ip_address *destination = &flow->packet->tuple.destination;

	if (!address_equal(destination, &device->ipv4) &&
	    !address_equal(destination, &device->ipv6))
		return drop(skb, flow, DROP_ENCAPSULATION_PROHIBITED);
	return pass(skb, flow);
}

SEC("tc")
int from_uplink(struct __sk_buff *skb)
{
	struct packet packet = {};
	struct flow flow = {.point = FROM_UPLINK, .packet = &packet};
	const struct tunnel_device *device;
	__u32 type = skb->pkt_type;
	int verdict;

	/* 1: for a VLAN device or a macvlan above this one, or for nobody here: the stack finds */
	if (has_vlan_tag(skb) || type == PACKET_OTHERHOST || !drop_priority_tag(skb))
		return pass(skb, &flow);

	verdict = parse_l3(skb, &packet);
	if (verdict == NOT_IP && skb->protocol == bpf_htons(ETH_P_ARP))
		return announce_arp(skb, &flow); /* 2: or the stack's, as all others' */
	if (verdict) /* not IP, or not sound: the stack's to judge */
		return pass(skb, &flow);
	if (may_solicit(&packet)) {
		verdict = announce_neighbour(skb, &packet);
		if (verdict >= 0)
			return verdict;
	}

	flow.receiver = bpf_map_lookup_elem(&endpoints, &packet.tuple.destination); /* 3 */
	device = tunnel_device_here();
	if (is_for_tunnel(skb, &flow, device))
		return pass_to_tunnel(skb, &flow, device);
	return arrive(skb, &flow, type);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
