/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writing addresses and ports into a packet, with every checksum that covers them (RFC 1624,
 * incremental update). Contract: returns 0 or a positive enum drop_reason; packet pointers taken
 * before are invalid afterwards; struct packet is not changed.
 */
#ifndef CILIATE_REWRITE_H
#define CILIATE_REWRITE_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "../config.h"
#include "packet.h"

enum rewrite_end {
	REWRITE_SOURCE,
	REWRITE_DESTINATION,
};

static __always_inline __u32 ip_address_offset(bool is_v6, enum rewrite_end end)
{
	if (is_v6)
		return end == REWRITE_SOURCE ? offsetof(struct ipv6hdr, saddr)
					     : offsetof(struct ipv6hdr, daddr);
	return end == REWRITE_SOURCE ? offsetof(struct iphdr, saddr)
				     : offsetof(struct iphdr, daddr);
}

static __always_inline __s64 address_difference(const struct ip_address *from,
						const struct ip_address *to)
{
	struct ip_address old = *from, new = *to;

	return bpf_csum_diff((__be32 *)&old, sizeof(old), (__be32 *)&new, sizeof(new), 0);
}

/* The address in the IP header at `ip_offset`, with an IPv4 header's own checksum. */
static __always_inline int rewrite_ip(struct __sk_buff *skb, __u32 ip_offset, bool is_v6,
				      enum rewrite_end end, const struct ip_address *from,
				      const struct ip_address *to)
{
	__u32 offset = ip_offset + ip_address_offset(is_v6, end);

	if (is_v6)
		return bpf_skb_store_bytes(skb, offset, to, sizeof(*to), 0) ? DROP_WRITE_ERROR : 0;
	if (bpf_l3_csum_replace(skb, ip_offset + offsetof(struct iphdr, check), from->words[3],
				to->words[3], sizeof(__be32)))
		return DROP_L3_CHECKSUM;
	if (bpf_skb_store_bytes(skb, offset, &to->words[3], sizeof(__be32), 0))
		return DROP_WRITE_ERROR;
	return 0;
}

/*
 * Correct a transport checksum for an address that changes by `difference`. Where a device has
 * summed the whole packet (CHECKSUM_COMPLETE) the helper takes the difference off that sum too, as
 * is right for IPv4, whose header's checksum makes up for the address; IPv6 has none, and the sum
 * must stay.
 */
static __always_inline bool correct_for_address(struct __sk_buff *skb, __u32 checksum, bool is_v6,
						__s64 difference, __u64 flags)
{
	if (bpf_l4_csum_replace(skb, checksum, 0, difference, BPF_F_PSEUDO_HDR | flags))
		return false;
	if (is_v6)
		bpf_csum_update(skb, difference);
	return true;
}

struct l4_field {
	__u32 checksum_offset; /* from the transport header */
	__u32 port_offset; /* from the transport header */
	__u64 checksum_flags;
	bool pseudo_header; /* the checksum covers the addresses */
};

static __always_inline struct l4_field l4_field_of(const struct packet *packet,
						   enum rewrite_end end)
{
	struct l4_field field = {.pseudo_header = true};

	switch (packet->tuple.protocol) {
	case IPPROTO_TCP:
		field.checksum_offset = offsetof(struct tcphdr, check);
		field.port_offset = end == REWRITE_SOURCE ? 0 : 2;
		break;
	case IPPROTO_UDP:
		field.checksum_offset = offsetof(struct udphdr, check);
		field.port_offset = end == REWRITE_SOURCE ? 0 : 2;
		field.checksum_flags = BPF_F_MARK_MANGLED_0; /* RFC 768: zero means none */
		break;
	default: /* ICMP echo */
		field.checksum_offset = offsetof(struct icmp_header, checksum);
		field.port_offset = offsetof(struct icmp_header, echo_id);
		field.pseudo_header = packet->is_v6;
		break;
	}
	return field;
}

/* One end of the packet: address, port (or echo identifier) and all checksums. */
static __always_inline int rewrite(struct __sk_buff *skb, const struct packet *packet,
				   enum rewrite_end end, const struct ip_address *to_address,
				   __be16 to_port)
{
	const struct ip_address *from =
		end == REWRITE_SOURCE ? &packet->tuple.source : &packet->tuple.destination;
	__be16 from_port =
		end == REWRITE_SOURCE ? packet->tuple.source_port : packet->tuple.destination_port;
	struct l4_field field = l4_field_of(packet, end);
	__u32 checksum = packet->l4_offset + field.checksum_offset;

	/* A later piece has no transport header; SCTP's checksum does not cover the addresses. */
	if (!packet->fragment_offset && packet->tuple.protocol != IPPROTO_SCTP) {
		if (field.pseudo_header &&
		    !correct_for_address(skb, checksum, packet->is_v6,
					 address_difference(from, to_address),
					 field.checksum_flags))
			return DROP_L4_CHECKSUM;
		if (from_port != to_port &&
		    (bpf_l4_csum_replace(skb, checksum, from_port, to_port,
					 sizeof(to_port) | field.checksum_flags) ||
		     bpf_skb_store_bytes(skb, packet->l4_offset + field.port_offset, &to_port,
					 sizeof(to_port), 0)))
			return DROP_L4_CHECKSUM;
	}
	return rewrite_ip(skb, l2_header_bytes, packet->is_v6, end, from, to_address);
}

#endif
