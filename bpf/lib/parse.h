/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From bytes to struct packet. parse_l3 is enough to forward; parse_l4 is called only by steps
 * that need ports, because most packets between pods do not.
 *
 * Contract: both return 0, NOT_IP, or a positive enum drop_reason; addresses and ports are in
 * network byte order; offsets count from the first octet of the frame and were valid when read.
 * What was read is a copy: a step that wants packet pointers checks its own bounds.
 */
#ifndef CILIATE_PARSE_H
#define CILIATE_PARSE_H

#include "address.h"
#include "extensions.h"
#include "fragments.h"
#include "icmp.h"
#include "packet.h"

enum parse_result {
	PARSE_OK = 0,
	NOT_IP = -1, /* ARP and whatever else is no concern of ours */
};

/* How far in something is read in place: behind any IPv4 header, and most of IPv6's extensions. */
enum { IN_PLACE_OFFSET_MAX = 255 };

/* Make the first `length` bytes readable through packet pointers; false: it has fewer. */
static __always_inline bool linear(struct __sk_buff *skb, __u32 length)
{
	if ((void *)(long)skb->data + length <= (void *)(long)skb->data_end)
		return true;
	return !bpf_skb_pull_data(skb, length) &&
	       (void *)(long)skb->data + length <= (void *)(long)skb->data_end;
}

/* Reads the fixed IPv4 header; options are noticed and passed over by l4_offset, not read. */
static __always_inline int parse_ipv4(struct __sk_buff *skb, struct packet *packet)
{
	struct iphdr *ip;
	__u16 fragment;

	if (!linear(skb, l2_header_bytes + sizeof(*ip)))
		return DROP_INVALID_PACKET;
	ip = (void *)(long)skb->data + l2_header_bytes;
	if ((void *)(ip + 1) > (void *)(long)skb->data_end || ip->version != 4 || ip->ihl < 5)
		return DROP_INVALID_PACKET;
	packet->tuple.source = address_from_v4(ip->saddr);
	packet->tuple.destination = address_from_v4(ip->daddr);
	packet->tuple.protocol = ip->protocol;
	packet->ttl = ip->ttl;
	packet->has_options = ip->ihl > 5;
	packet->l4_offset = l2_header_bytes + ip->ihl * 4;
	fragment = bpf_ntohs(ip->frag_off);
	packet->fragment_offset = fragment & IPV4_FRAGMENT_OFFSET_MASK;
	packet->more_fragments = fragment & IPV4_MORE_FRAGMENTS;
	packet->fragment_id = ip->id;
	return PARSE_OK;
}

/*
 * Reads the fixed IPv6 header and walks its extensions up to the transport header. An address of
 * ::ffff:0:0/96 is refused: it belongs on no wire (RFC 6890, table 20), and here it would be taken
 * for the IPv4 address that the maps hold under the same octets.
 */
static __always_inline int parse_ipv6(struct __sk_buff *skb, struct packet *packet)
{
	struct ipv6hdr *ip;

	if (!linear(skb, l2_header_bytes + sizeof(*ip)))
		return DROP_INVALID_PACKET;
	ip = (void *)(long)skb->data + l2_header_bytes;
	if ((void *)(ip + 1) > (void *)(long)skb->data_end || ip->version != 6)
		return DROP_INVALID_PACKET;
	packet->is_v6 = true;
	packet->tuple.source = address_from_v6(&ip->saddr);
	packet->tuple.destination = address_from_v6(&ip->daddr);
	packet->ttl = ip->hop_limit;
	if (address_is_mapped(&packet->tuple.source))
		return DROP_INVALID_SOURCE_IP;
	if (address_is_mapped(&packet->tuple.destination))
		return DROP_UNKNOWN_L3_TARGET;
	packet->l4_offset = l2_header_bytes + sizeof(*ip);
	packet->tuple.protocol = ip->nexthdr;
	return walk_extensions(skb, packet);
}

/* Addresses, protocol, TTL and fragment fields, from a validated IP header. */
static __always_inline int parse_l3(struct __sk_buff *skb, struct packet *packet)
{
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return parse_ipv4(skb, packet);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(skb, packet);
	return NOT_IP;
}

/* `length` octets of the packet at `offset`; NULL: too far in, or not in one piece with it. */
static __always_inline const void *in_place(struct __sk_buff *skb, __u32 offset, __u32 length)
{
	const void *data = (void *)(long)skb->data;

	if (offset > IN_PLACE_OFFSET_MAX ||
	    data + offset + length > (const void *)(long)skb->data_end)
		return NULL;
	return data + offset;
}

/*
 * Reads the ports, and of TCP the flags; a UDP header need not be whole. In place where it can be,
 * as of all that sockets send: two helpers less.
 */
static __always_inline int parse_ports(struct __sk_buff *skb, struct packet *packet)
{
	const struct tcphdr *tcp = in_place(skb, packet->l4_offset, TCP_FLAGS_OFFSET + 1);
	bool is_tcp = packet->tuple.protocol == IPPROTO_TCP;
	struct fragment_ports ports;

	packet->l4_kind = L4_PORTS;
	if (tcp) {
		packet->tuple.source_port = tcp->source;
		packet->tuple.destination_port = tcp->dest;
		if (is_tcp)
			packet->tcp_flags = ((const __u8 *)tcp)[TCP_FLAGS_OFFSET];
		return PARSE_OK;
	}
	if (bpf_skb_load_bytes(skb, packet->l4_offset, &ports, sizeof(ports)))
		return DROP_INVALID_PACKET;
	packet->tuple.source_port = ports.source_port;
	packet->tuple.destination_port = ports.destination_port;
	if (is_tcp && bpf_skb_load_bytes(skb, packet->l4_offset + TCP_FLAGS_OFFSET,
					 &packet->tcp_flags, sizeof(packet->tcp_flags)))
		return DROP_INVALID_PACKET;
	return PARSE_OK;
}

/* Ports, or what stands for them, and TCP flags; needs parse_l3 before. */
static __always_inline int parse_l4(struct __sk_buff *skb, struct packet *packet)
{
	int error = PARSE_OK;

	switch (packet->tuple.protocol) {
	case IPPROTO_SCTP:
		if (!sctp) {
			packet->l4_kind = L4_OTHER;
			return PARSE_OK;
		}
		/* fall through */
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		if (packet->fragment_offset)
			return load_fragment_ports(packet);
		error = parse_ports(skb, packet);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (packet->fragment_offset)
			return load_fragment_ports(packet);
		error = parse_icmp(skb, packet);
		break;
	default:
		packet->l4_kind = L4_OTHER;
		return PARSE_OK;
	}
	if (!error && packet->more_fragments)
		store_fragment_ports(packet);
	return error;
}

#endif
