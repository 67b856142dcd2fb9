/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answers for addresses of Services that this node announces on its own layer 2: ARP requests, and
 * IPv6's neighbour solicitations. Only while the agent lives: it says until when (`l2_alive`).
 * What is sound but for others, and what is not sound, is the stack's to judge.
 */
#ifndef CILIATE_L2_ANNOUNCE_H
#define CILIATE_L2_ANNOUNCE_H

#include "arp.h"

enum {
	ND_SOLICITATION = 135,
	ND_ADVERTISEMENT = 136,
	ND_HOP_LIMIT = 255, /* nobody has forwarded it: RFC 4861, 7.1.1 */
	ND_OPTION_SOURCE = 1,
	ND_OPTION_TARGET = 2,
	ND_FLAG_SOLICITED = 0x40,
	ND_FLAG_OVERRIDE = 0x20,
	SOLICITATION_OCTETS = 24,
	SOLICITATION_OCTETS_MAX = 40, /* and two options of eight octets: an address, a nonce */
};

/* RFC 4861, 4.3 and 4.4, with as many options as are read. */
struct solicitation {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be32 flags;
	struct ip_address target;
	__u8 options[SOLICITATION_OCTETS_MAX - SOLICITATION_OCTETS];
};

struct advertisement {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__u8 flags;
	__u8 reserved[3];
	struct ip_address target;
	__u8 option_type;
	__u8 option_length; /* in eights */
	__u8 mac[ETH_ALEN];
};

struct advertisement_frame {
	struct ethhdr ethernet;
	struct ipv6hdr ip;
	struct advertisement said;
} __attribute__((packed));

/* Pseudo header of RFC 8200, 8.1. */
struct pseudo_header {
	struct ip_address source;
	struct ip_address destination;
	__be32 length;
	__be32 protocol;
};

/* The entry of an address that is announced at the device that the packet came by. */
static __always_inline struct l2_responder *responder_of(struct __sk_buff *skb,
							 const struct ip_address *address)
{
	struct l2_responder_key key = {.address = *address, .ifindex = skb->ifindex};
	struct l2_responder *found = bpf_map_lookup_elem(&l2_responders, &key);
	const __u64 *until;
	__u32 zero = 0;

	if (!found)
		return NULL;
	until = bpf_map_lookup_elem(&l2_alive, &zero);
	return until && bpf_ktime_get_ns() < *until ? found : NULL;
}

/* Answer an ARP request for an announced address. Returns the verdict. */
static __always_inline int announce_arp(struct __sk_buff *skb, const struct flow *flow)
{
	struct l2_responder *responder;
	struct ip_address asked;
	struct ethhdr *ethernet;
	struct arp_ipv4 *arp;

	if (!l2_header_bytes || !linear(skb, ETH_HLEN + sizeof(*arp)))
		return pass(skb, flow);
	ethernet = (void *)(long)skb->data;
	arp = (void *)(ethernet + 1);
	if ((void *)(arp + 1) > (void *)(long)skb->data_end || !is_arp_request(arp) ||
	    arp->sender_mac[0] & 1 || arp->sender_ip == arp->target_ip)
		return pass(skb, flow);
	asked = address_from_v4(arp->target_ip);
	responder = responder_of(skb, &asked);
	if (!responder)
		return pass(skb, flow);
	turn_arp(ethernet, arp, responder->mac);
	__sync_fetch_and_add(&responder->answered, 1);
	return give_back_frame(skb, flow, bpf_redirect(skb->ifindex, 0));
}

/* The checksum of `length` octets of ICMPv6 between two addresses, as the wire has it. */
static __always_inline __sum16 icmpv6_checksum(const struct pseudo_header *pseudo,
					       const void *octets, __u32 size)
{
	__u64 sum = bpf_csum_diff(NULL, 0, (void *)pseudo, sizeof(*pseudo), 0);

	sum = bpf_csum_diff(NULL, 0, (void *)octets, size, sum);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/*
 * Read a solicitation as RFC 4861, 7.1.1 wants it checked; false: it is none, or is not sound.
 * From nobody (::) it asks whether an address is free, and then says no address of its own.
 */
static __always_inline bool read_solicitation(struct __sk_buff *skb, const struct packet *packet,
					      struct solicitation *asked)
{
	const struct ip_address *from = &packet->tuple.source;
	const struct ipv6hdr *ip = (void *)(long)skb->data + ETH_HLEN;
	struct pseudo_header pseudo = {};
	bool is_from_nobody;
	__u32 length;

	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return false;
	length = bpf_ntohs(ip->payload_len);
	if (length < SOLICITATION_OCTETS || length > SOLICITATION_OCTETS_MAX || length % 8)
		return false;
	if (bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(*ip), asked, length))
		return false;
	if (asked->type != ND_SOLICITATION || asked->code)
		return false;
	is_from_nobody = address_is_zero(from);
	if (address_is_multicast(from, true) || address_is_multicast(&asked->target, true))
		return false;
	if (length > SOLICITATION_OCTETS &&
	    (asked->options[1] != 1 && !(asked->options[1] == 2 && length == 40)))
		return false;
	if (is_from_nobody && (!address_is_multicast(&packet->tuple.destination, true) ||
			       asked->options[0] == ND_OPTION_SOURCE))
		return false;
	pseudo.source = *from;
	pseudo.destination = packet->tuple.destination;
	pseudo.length = bpf_htonl(length);
	pseudo.protocol = bpf_htonl(IPPROTO_ICMPV6);
	return !icmpv6_checksum(&pseudo, asked, sizeof(*asked));
}

/* Write the advertisement over the frame that asked; `to` is multicast where nobody asked. */
static __always_inline void write_advertisement(struct advertisement_frame *frame,
						struct pseudo_header *pseudo,
						const struct l2_responder *responder,
						bool is_solicited)
{
	struct advertisement said = {
		.type = ND_ADVERTISEMENT,
		.flags = ND_FLAG_OVERRIDE | (is_solicited ? ND_FLAG_SOLICITED : 0),
		.target = pseudo->source,
		.option_type = ND_OPTION_TARGET,
		.option_length = 1,
	};
	static const __u8 all_nodes[ETH_ALEN] = {0x33, 0x33, 0, 0, 0, 1};

	__builtin_memcpy(said.mac, responder->mac, ETH_ALEN);
	said.checksum = icmpv6_checksum(pseudo, &said, sizeof(said));
	if (is_solicited)
		__builtin_memcpy(frame->ethernet.h_dest, frame->ethernet.h_source, ETH_ALEN);
	else
		__builtin_memcpy(frame->ethernet.h_dest, all_nodes, ETH_ALEN);
	__builtin_memcpy(frame->ethernet.h_source, responder->mac, ETH_ALEN);
	__builtin_memset(&frame->ip, 0, sizeof(frame->ip));
	frame->ip.version = 6;
	frame->ip.payload_len = bpf_htons(sizeof(said));
	frame->ip.nexthdr = IPPROTO_ICMPV6;
	frame->ip.hop_limit = ND_HOP_LIMIT;
	__builtin_memcpy(&frame->ip.saddr, &pseudo->source, sizeof(frame->ip.saddr));
	__builtin_memcpy(&frame->ip.daddr, &pseudo->destination, sizeof(frame->ip.daddr));
	__builtin_memcpy(&frame->said, &said, sizeof(said));
}

/* May it be a neighbour solicitation? One look for all that is not ICMPv6 of the link itself. */
static __always_inline bool may_solicit(const struct packet *packet)
{
	return packet->is_v6 && packet->tuple.protocol == IPPROTO_ICMPV6 && l2_header_bytes &&
	       packet->ttl == ND_HOP_LIMIT && !packet->fragment_offset &&
	       packet->l4_offset == ETH_HLEN + sizeof(struct ipv6hdr);
}

/*
 * Answer a solicitation for an announced address. Returns the verdict, or -1: it is none, or there
 * is no room for the answer, and the stack may judge.
 */
static __noinline int announce_neighbour(struct __sk_buff *skb, const struct packet *packet)
{
	const struct flow link = {.point = FROM_UPLINK}, *flow = &link;
	struct pseudo_header pseudo = {};
	struct solicitation asked = {};
	struct advertisement_frame *frame;
	struct l2_responder *responder;
	bool is_solicited;

	if (!packet || !read_solicitation(skb, packet, &asked))
		return -1;
	responder = responder_of(skb, &asked.target);
	if (!responder)
		return -1;
	is_solicited = !address_is_zero(&packet->tuple.source);
	pseudo.source = asked.target;
	pseudo.destination = packet->tuple.source;
	if (!is_solicited) {
		pseudo.destination.words[0] = bpf_htonl(0xff020000);
		pseudo.destination.words[3] = bpf_htonl(1);
	}
	pseudo.length = bpf_htonl(sizeof(struct advertisement));
	pseudo.protocol = bpf_htonl(IPPROTO_ICMPV6);
	if (bpf_skb_change_tail(skb, sizeof(*frame), 0) || !linear(skb, sizeof(*frame)))
		return -1;
	frame = (void *)(long)skb->data;
	if ((void *)(frame + 1) > (void *)(long)skb->data_end)
		return -1;
	write_advertisement(frame, &pseudo, responder, is_solicited);
	__sync_fetch_and_add(&responder->answered, 1);
	return give_back_frame(skb, flow, bpf_redirect(skb->ifindex, 0));
}

#endif
