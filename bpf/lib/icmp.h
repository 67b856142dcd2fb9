/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP and ICMPv6: which kind a message is, the header that an error quotes, and rewriting an
 * error together with what it quotes. Knows no flow: nat.h finds the one an error is about.
 */
#ifndef CILIATE_ICMP_H
#define CILIATE_ICMP_H

#include "address.h"
#include "extensions.h"
#include "fragments.h"
#include "packet.h"
#include "rewrite.h"

enum icmp_type { /* RFC 792 */
		 ICMP_ECHO_REPLY = 0,
		 ICMP_UNREACHABLE = 3,
		 ICMP_ECHO_REQUEST = 8,
		 ICMP_TIME_EXCEEDED = 11,
		 ICMP_PARAMETER_PROBLEM = 12,
};

/* Which kind a message of `type` is: one of the ICMP kinds of enum l4_kind. */
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

/*
 * Reads the 8 bytes at l4_offset that every message has: its kind, and of an echo the identifier
 * (network order), which is the port of the side that asked; the other has none. 0 or 134.
 */
static __always_inline int parse_icmp(struct __sk_buff *skb, struct packet *packet)
{
	struct icmp_header icmp;

	if (bpf_skb_load_bytes(skb, packet->l4_offset, &icmp, sizeof(icmp)))
		return DROP_INVALID_PACKET;
	packet->l4_kind = icmp_kind(icmp.type, packet->is_v6);
	if (packet->l4_kind == L4_ECHO_REQUEST)
		packet->tuple.source_port = icmp.echo_id;
	else if (packet->l4_kind == L4_ECHO_REPLY)
		packet->tuple.destination_port = icmp.echo_id;
	return 0;
}

/*
 * The packet that an ICMP error is about, as far as errors must quote it. All offsets count from
 * the first octet of the frame and were valid when read.
 */
struct quoted {
	struct packet packet; /* addresses, protocol, ports, and what says it is a piece */
	__u32 ip_offset;
	__u32 port_offset[2]; /* source, destination; equal for echo */
};

/* Reads the quoted IP header, and the extensions behind it. False: cut off, or not sound. */
static __always_inline bool parse_quoted_ip(struct __sk_buff *skb, struct quoted *quoted)
{
	struct packet *packet = &quoted->packet;

	if (packet->is_v6) {
		struct ipv6hdr ip;

		if (bpf_skb_load_bytes(skb, quoted->ip_offset, &ip, sizeof(ip)))
			return false;
		packet->tuple.source = address_from_v6(&ip.saddr);
		packet->tuple.destination = address_from_v6(&ip.daddr);
		if (address_is_mapped(&packet->tuple.source) ||
		    address_is_mapped(&packet->tuple.destination))
			return false; /* it would name a flow of IPv4 */
		packet->tuple.protocol = ip.nexthdr;
		packet->l4_offset = quoted->ip_offset + sizeof(ip);
		return !walk_extensions(skb, packet);
	} else {
		struct iphdr ip;

		if (bpf_skb_load_bytes(skb, quoted->ip_offset, &ip, sizeof(ip)) || ip.ihl < 5)
			return false;
		packet->fragment_offset = bpf_ntohs(ip.frag_off) & IPV4_FRAGMENT_OFFSET_MASK;
		packet->fragment_id = ip.id;
		packet->tuple.source = address_from_v4(ip.saddr);
		packet->tuple.destination = address_from_v4(ip.daddr);
		packet->tuple.protocol = ip.protocol;
		packet->l4_offset = quoted->ip_offset + ip.ihl * 4;
	}
	return true;
}

/*
 * Reads the quoted IP header and the 8 guaranteed bytes behind it (RFC 792): addresses and ports,
 * or an echo's identifier, all in network order. A later piece's ports are those of the first one,
 * as it was when it passed. False: cut off, or names no flow.
 */
static __always_inline bool parse_quoted(struct __sk_buff *skb, const struct packet *outer,
					 struct quoted *quoted)
{
	struct packet *packet = &quoted->packet;
	__be16 words[4];

	packet->is_v6 = outer->is_v6;
	quoted->ip_offset = outer->l4_offset + sizeof(struct icmp_header);
	if (!parse_quoted_ip(skb, quoted))
		return false;
	if (packet->fragment_offset)
		return !load_fragment_ports(packet);
	if (bpf_skb_load_bytes(skb, packet->l4_offset, words, sizeof(words)))
		return false;
	switch (packet->tuple.protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		packet->tuple.source_port = words[0];
		packet->tuple.destination_port = words[1];
		quoted->port_offset[0] = packet->l4_offset;
		quoted->port_offset[1] = packet->l4_offset + 2;
		return true;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6: /* only echo has a flow; its identifier is the third word */
		quoted->port_offset[0] = packet->l4_offset + offsetof(struct icmp_header, echo_id);
		quoted->port_offset[1] = quoted->port_offset[0];
		switch (icmp_kind(bpf_ntohs(words[0]) >> 8, packet->is_v6)) {
		case L4_ECHO_REQUEST:
			packet->tuple.source_port = words[2];
			return true;
		case L4_ECHO_REPLY:
			packet->tuple.destination_port = words[2];
			return true;
		}
	}
	return false;
}

/*
 * One end of the header that an ICMP error quotes. The quoted transport checksum is left alone: it
 * may be cut off, and no receiver verifies it; for ICMPv4 the quoted header's own checksum makes up
 * for its address. 0, 141, 153 or 154; packet pointers taken before are invalid afterwards.
 */
static __always_inline int rewrite_quoted(struct __sk_buff *skb, const struct packet *outer,
					  const struct quoted *quoted, enum rewrite_end end,
					  const struct ip_address *to_address, __be16 to_port)
{
	bool is_source = end == REWRITE_SOURCE;
	const struct tuple *tuple = &quoted->packet.tuple;
	const struct ip_address *from = is_source ? &tuple->source : &tuple->destination;
	__be16 from_port = is_source ? tuple->source_port : tuple->destination_port;
	__u32 checksum = outer->l4_offset + offsetof(struct icmp_header, checksum);

	if (!quoted->packet.fragment_offset &&
	    (bpf_skb_store_bytes(skb, quoted->port_offset[is_source ? 0 : 1], &to_port,
				 sizeof(to_port), 0) ||
	     bpf_l4_csum_replace(skb, checksum, from_port, to_port, sizeof(to_port))))
		return DROP_L4_CHECKSUM;
	if (outer->is_v6 &&
	    bpf_l4_csum_replace(skb, checksum, 0, address_difference(from, to_address, true), 0))
		return DROP_L4_CHECKSUM;
	return rewrite_ip_at(skb, quoted->ip_offset, outer->is_v6, end, from, to_address);
}

/* One end of the error itself; ICMPv6 covers it by its pseudo header. The same results. */
static __always_inline int rewrite_outer(struct __sk_buff *skb, const struct packet *outer,
					 enum rewrite_end end, const struct ip_address *to_address)
{
	const struct ip_address *from =
		end == REWRITE_SOURCE ? &outer->tuple.source : &outer->tuple.destination;
	__u32 difference = address_difference(from, to_address, outer->is_v6);
	__u32 checksum = outer->l4_offset + offsetof(struct icmp_header, checksum);

	if (outer->is_v6 && !correct_for_address(skb, checksum, true, difference, 0))
		return DROP_L4_CHECKSUM;
	return rewrite_ip(skb, outer->is_v6, end, from, to_address, difference);
}

/*
 * Rewrite an ICMP error together with the header it quotes. `end` is the outer end: an error that
 * comes in gets the pod as destination and quotes the pod as source; one that goes out, the
 * reverse.
 */
static __always_inline int rewrite_icmp_error(struct __sk_buff *skb, const struct packet *outer,
					      const struct quoted *quoted, enum rewrite_end end,
					      const struct ip_address *to_address, __be16 to_port)
{
	enum rewrite_end other = end == REWRITE_DESTINATION ? REWRITE_SOURCE : REWRITE_DESTINATION;
	int error = rewrite_quoted(skb, outer, quoted, other, to_address, to_port);

	return error ? error : rewrite_outer(skb, outer, end, to_address);
}

#endif
