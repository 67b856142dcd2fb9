/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ARP of a pod ends here: a request for an address outside the pod is answered with the MAC of
 * the host side, and nothing reaches the node's neighbour table.
 */
#ifndef CILIATE_ARP_H
#define CILIATE_ARP_H

#include "parse.h"
#include "verdict.h"

enum { ARP_ETHERNET = 1, ARP_REQUEST = 1, ARP_REPLY = 2 };

/* RFC 826, for Ethernet and IPv4. */
struct arp_ipv4 {
	__be16 hardware_type;
	__be16 protocol_type;
	__u8 hardware_length;
	__u8 protocol_length;
	__be16 operation;
	__u8 sender_mac[ETH_ALEN];
	__be32 sender_ip;
	__u8 target_mac[ETH_ALEN];
	__be32 target_ip;
} __attribute__((packed));

/* Is it a request for an IPv4 address on Ethernet? */
static __always_inline bool is_arp_request(const struct arp_ipv4 *arp)
{
	return arp->hardware_type == bpf_htons(ARP_ETHERNET) &&
	       arp->protocol_type == bpf_htons(ETH_P_IP) && arp->hardware_length == ETH_ALEN &&
	       arp->protocol_length == sizeof(arp->target_ip) &&
	       arp->operation == bpf_htons(ARP_REQUEST);
}

/* Make the answer of a request, in place: what it asks for is at `mac`. */
static __always_inline void turn_arp(struct ethhdr *ethernet, struct arp_ipv4 *arp, const __u8 *mac)
{
	__be32 asked = arp->target_ip;

	__builtin_memcpy(ethernet->h_dest, arp->sender_mac, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, mac, ETH_ALEN);
	arp->operation = bpf_htons(ARP_REPLY);
	__builtin_memcpy(arp->target_mac, arp->sender_mac, ETH_ALEN);
	arp->target_ip = arp->sender_ip;
	__builtin_memcpy(arp->sender_mac, mac, ETH_ALEN);
	arp->sender_ip = asked;
}

/*
 * Answer a request in place, after checking that all of it is there; it goes back by the device it
 * came from. Returns the verdict: what is no request for another's address is dropped (166).
 */
static __always_inline int answer_arp(struct __sk_buff *skb, const struct flow *flow)
{
	const struct interface *interface = flow->interface;
	struct ethhdr *ethernet;
	struct arp_ipv4 *arp;

	if (!linear(skb, ETH_HLEN + sizeof(*arp)))
		return drop(skb, flow, DROP_INVALID_PACKET);
	ethernet = (void *)(long)skb->data;
	arp = (void *)(ethernet + 1);
	if ((void *)(arp + 1) > (void *)(long)skb->data_end)
		return drop(skb, flow, DROP_INVALID_PACKET);
	if (arp->operation != bpf_htons(ARP_REQUEST) || arp->hardware_length != ETH_ALEN ||
	    arp->protocol_type != bpf_htons(ETH_P_IP) || arp->target_ip == interface->ipv4.words[3])
		return drop(skb, flow, DROP_UNSUPPORTED_L2_PROTOCOL);
	turn_arp(ethernet, arp, interface->node_mac);
	return give_back_frame(skb, flow, bpf_redirect(skb->ifindex, 0));
}

#endif
