/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From bytes to struct packet. parse_l3 is enough to forward; parse_l4 is called only by steps
 * that need ports, because most packets between pods do not.
 *
 * Contract: both return 0, NOT_IP, or a positive enum drop_reason; addresses and ports are in
 * network byte order; offsets count from the Ethernet header and were valid when read.
 */
#ifndef CILIATE_PARSE_H
#define CILIATE_PARSE_H

#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>

#include "../maps.h"
#include "address.h"

enum parse_result {
	PARSE_OK = 0,
	NOT_IP = -1, /* ARP and whatever else is no concern of ours */
};

/* Bounds of the walk over IPv6 extension headers (RFC 8200, section 4.1 names six). */
enum { EXTENSION_HEADERS_MAX = 6 };

enum {
	IPV4_FRAGMENT_OFFSET_MASK = 0x1fff,
	IPV4_MORE_FRAGMENTS = 0x2000,
	IPV6_FRAGMENT_OFFSET_MASK = 0xfff8,
	IPV6_MORE_FRAGMENTS = 0x0001,
	EXTENSION_FRAGMENT = 44,
	TCP_FLAGS_OFFSET = 13,
	TCP_FLAG_FIN_BIT = 0x01,
	TCP_FLAG_SYN_BIT = 0x02,
	TCP_FLAG_RST_BIT = 0x04,
	TCP_FLAG_ACK_BIT = 0x10,
};

/* ICMP and ICMPv6 begin alike; <linux/icmp.h> needs headers of the C library. */
struct icmp_header {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be16 echo_id;
	__be16 echo_sequence;
};

enum icmp_type { /* RFC 792 */
		 ICMP_ECHO_REPLY = 0,
		 ICMP_UNREACHABLE = 3,
		 ICMP_ECHO_REQUEST = 8,
		 ICMP_TIME_EXCEEDED = 11,
		 ICMP_PARAMETER_PROBLEM = 12,
};

/* What parse_l4 found in the transport header. */
enum l4_kind {
	L4_OTHER = 0, /* a protocol without ports we know: GRE, ESP, SCTP, … */
	L4_PORTS, /* TCP, UDP */
	L4_ECHO_REQUEST, /* the identifier stands for the source port */
	L4_ECHO_REPLY, /* the identifier stands for the destination port */
	L4_ICMP_ERROR, /* carries the header of the packet it is about */
	L4_ICMP_OTHER,
};

struct packet {
	struct tuple tuple; /* direction is the caller's to set */
	__u32 l4_offset;
	__be32 fragment_id;
	__u16 fragment_offset; /* nonzero: not the first piece, no transport header here */
	__u8 ttl; /* or hop limit */
	__u8 tcp_flags;
	__u8 l4_kind; /* enum l4_kind */
	bool is_v6;
	bool more_fragments;
};

/* Make `length` bytes of the packet directly readable. */
static __always_inline bool linear(struct __sk_buff *skb, __u32 length)
{
	if ((void *)(long)skb->data + length <= (void *)(long)skb->data_end)
		return true;
	return !bpf_skb_pull_data(skb, length) &&
	       (void *)(long)skb->data + length <= (void *)(long)skb->data_end;
}

static __always_inline int parse_ipv4(struct __sk_buff *skb, struct packet *packet)
{
	struct iphdr *ip;
	__u16 fragment;

	if (!linear(skb, ETH_HLEN + sizeof(*ip)))
		return DROP_INVALID_PACKET;
	ip = (void *)(long)skb->data + ETH_HLEN;
	if ((void *)(ip + 1) > (void *)(long)skb->data_end || ip->version != 4 || ip->ihl < 5)
		return DROP_INVALID_PACKET;
	packet->tuple.source = address_from_v4(ip->saddr);
	packet->tuple.destination = address_from_v4(ip->daddr);
	packet->tuple.protocol = ip->protocol;
	packet->ttl = ip->ttl;
	packet->l4_offset = ETH_HLEN + ip->ihl * 4;
	fragment = bpf_ntohs(ip->frag_off);
	packet->fragment_offset = fragment & IPV4_FRAGMENT_OFFSET_MASK;
	packet->more_fragments = fragment & IPV4_MORE_FRAGMENTS;
	packet->fragment_id = ip->id;
	return PARSE_OK;
}

/* Reads one extension header at l4_offset and moves past it; *next becomes the one behind. */
static __always_inline int parse_extension(struct __sk_buff *skb, struct packet *packet, __u8 *next)
{
	struct {
		__u8 next;
		__u8 length; /* in units of 8 octets, not counting the first */
		__be16 fragment;
		__be32 fragment_id;
	} header;

	if (bpf_skb_load_bytes(skb, packet->l4_offset, &header, sizeof(header)))
		return DROP_INVALID_IPV6_EXTENSION;
	if (*next == EXTENSION_FRAGMENT) {
		__u16 fragment = bpf_ntohs(header.fragment);

		packet->fragment_offset = fragment & IPV6_FRAGMENT_OFFSET_MASK;
		packet->more_fragments = fragment & IPV6_MORE_FRAGMENTS;
		packet->fragment_id = header.fragment_id;
		packet->l4_offset += 8;
	} else {
		packet->l4_offset += (header.length + 1) * 8;
	}
	*next = header.next;
	return PARSE_OK;
}

static __always_inline bool is_extension(__u8 protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
	       protocol == IPPROTO_DSTOPTS || protocol == EXTENSION_FRAGMENT;
}

static __always_inline int parse_ipv6(struct __sk_buff *skb, struct packet *packet)
{
	struct ipv6hdr *ip;
	__u8 next;

	if (!linear(skb, ETH_HLEN + sizeof(*ip)))
		return DROP_INVALID_PACKET;
	ip = (void *)(long)skb->data + ETH_HLEN;
	if ((void *)(ip + 1) > (void *)(long)skb->data_end || ip->version != 6)
		return DROP_INVALID_PACKET;
	packet->is_v6 = true;
	packet->tuple.source = address_from_v6(&ip->saddr);
	packet->tuple.destination = address_from_v6(&ip->daddr);
	packet->ttl = ip->hop_limit;
	packet->l4_offset = ETH_HLEN + sizeof(*ip);
	next = ip->nexthdr;
	for (int i = 0; i < EXTENSION_HEADERS_MAX && is_extension(next); i++) {
		int error;

		if (packet->fragment_offset)
			break; /* what follows is the middle of a datagram, not a header */
		error = parse_extension(skb, packet, &next);
		if (error)
			return error;
	}
	if (is_extension(next) && !packet->fragment_offset)
		return DROP_INVALID_IPV6_EXTENSION;
	packet->tuple.protocol = next;
	return PARSE_OK;
}

/* Addresses, protocol, TTL and fragment fields. */
static __always_inline int parse_l3(struct __sk_buff *skb, struct packet *packet)
{
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return parse_ipv4(skb, packet);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(skb, packet);
	return NOT_IP;
}

static __always_inline __u8 icmp_kind(__u8 type, bool is_v6)
{
	if (is_v6) {
		switch (type) {
		case ICMPV6_ECHO_REQUEST:
			return L4_ECHO_REQUEST;
		case ICMPV6_ECHO_REPLY:
			return L4_ECHO_REPLY;
		case ICMPV6_DEST_UNREACH:
		case ICMPV6_PKT_TOOBIG:
		case ICMPV6_TIME_EXCEED:
		case ICMPV6_PARAMPROB:
			return L4_ICMP_ERROR;
		}
		return L4_ICMP_OTHER;
	}
	switch (type) {
	case ICMP_ECHO_REQUEST:
		return L4_ECHO_REQUEST;
	case ICMP_ECHO_REPLY:
		return L4_ECHO_REPLY;
	case ICMP_UNREACHABLE:
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETER_PROBLEM:
		return L4_ICMP_ERROR;
	}
	return L4_ICMP_OTHER;
}

static __always_inline int parse_icmp(struct __sk_buff *skb, struct packet *packet)
{
	struct icmp_header icmp;

	if (bpf_skb_load_bytes(skb, packet->l4_offset, &icmp, sizeof(icmp)))
		return DROP_INVALID_PACKET;
	packet->l4_kind = icmp_kind(icmp.type, packet->is_v6);
	/* The identifier is the port of who asked; the side that answers has none. */
	if (packet->l4_kind == L4_ECHO_REQUEST)
		packet->tuple.source_port = icmp.echo_id;
	else if (packet->l4_kind == L4_ECHO_REPLY)
		packet->tuple.destination_port = icmp.echo_id;
	return PARSE_OK;
}

static __always_inline int parse_ports(struct __sk_buff *skb, struct packet *packet)
{
	struct fragment_ports ports;

	if (bpf_skb_load_bytes(skb, packet->l4_offset, &ports, sizeof(ports)))
		return DROP_INVALID_PACKET;
	packet->tuple.source_port = ports.source_port;
	packet->tuple.destination_port = ports.destination_port;
	packet->l4_kind = L4_PORTS;
	if (packet->tuple.protocol == IPPROTO_TCP &&
	    bpf_skb_load_bytes(skb, packet->l4_offset + TCP_FLAGS_OFFSET, &packet->tcp_flags,
			       sizeof(packet->tcp_flags)))
		return DROP_INVALID_PACKET;
	return PARSE_OK;
}

static __always_inline struct fragment_key fragment_key_of(const struct packet *packet)
{
	struct fragment_key key = {
		.source = packet->tuple.source,
		.destination = packet->tuple.destination,
		.id = packet->fragment_id,
		.protocol = packet->tuple.protocol,
	};

	return key;
}

/* A later piece has no ports: they were kept when the first one passed. */
static __always_inline int recall_fragment(struct packet *packet)
{
	struct fragment_key key = fragment_key_of(packet);
	struct fragment_ports *ports = bpf_map_lookup_elem(&fragments, &key);

	if (!ports)
		return DROP_FRAGMENT_NOT_FOUND;
	packet->tuple.source_port = ports->source_port;
	packet->tuple.destination_port = ports->destination_port;
	packet->l4_kind = L4_PORTS;
	if (packet->tuple.protocol == IPPROTO_ICMP || packet->tuple.protocol == IPPROTO_ICMPV6)
		packet->l4_kind = L4_ECHO_REQUEST;
	return PARSE_OK;
}

static __always_inline void remember_fragment(const struct packet *packet)
{
	struct fragment_key key = fragment_key_of(packet);
	struct fragment_ports ports = {
		.source_port = packet->tuple.source_port,
		.destination_port = packet->tuple.destination_port,
	};

	bpf_map_update_elem(&fragments, &key, &ports, BPF_ANY);
}

/* Ports, or what stands for them, and TCP flags; needs parse_l3 before. */
static __always_inline int parse_l4(struct __sk_buff *skb, struct packet *packet)
{
	int error = PARSE_OK;

	switch (packet->tuple.protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		if (packet->fragment_offset)
			return recall_fragment(packet);
		error = parse_ports(skb, packet);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (packet->fragment_offset)
			return recall_fragment(packet);
		error = parse_icmp(skb, packet);
		break;
	default:
		packet->l4_kind = L4_OTHER;
		return PARSE_OK;
	}
	if (!error && packet->more_fragments)
		remember_fragment(packet);
	return error;
}

#endif
