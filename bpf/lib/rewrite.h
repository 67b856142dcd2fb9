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

/*
 * The kernel makes every packet of a program writable that writes to one in place, before it runs
 * (bpf_unclone_prologue). One that looks at much and writes little says 0 before it includes this.
 */
#ifndef REWRITES_IN_PLACE
#define REWRITES_IN_PLACE 1
#endif

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

/*
 * What a checksum over an address changes by: 32 bits, in ones' complement. Computed here, since
 * bpf_csum_diff costs a call, and two copies of 16 octets.
 */
static __always_inline __u32 address_difference(const struct ip_address *from,
						const struct ip_address *to, bool is_v6)
{
	__u64 sum = (__u64)(__u32)~from->words[3] + to->words[3];

	if (is_v6)
		sum += (__u64)(__u32)~from->words[0] + to->words[0] + (__u32)~from->words[1] +
		       to->words[1] + (__u32)~from->words[2] + to->words[2];
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (sum & 0xffffffff) + (sum >> 32);
}

/* A checksum as it is after what it covers changed by `difference` (RFC 1624, equation 3). */
static __always_inline __u16 checksum_corrected(__u16 checksum, __u32 difference)
{
	__u64 sum = (__u64)(__u16)~checksum + difference;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~((sum & 0xffff) + (sum >> 16));
}

/* The address in the IP header at `ip_offset`, wherever that is, with an IPv4 header's checksum. */
static __always_inline int rewrite_ip_at(struct __sk_buff *skb, __u32 ip_offset, bool is_v6,
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
 * The address in the packet's own IP header, which changes by `difference`. parse_l3 made that
 * header readable, so it is written in place; address and checksum make up for each other in a sum
 * that a device made of the packet.
 */
static __always_inline int rewrite_ip(struct __sk_buff *skb, bool is_v6, enum rewrite_end end,
				      const struct ip_address *from, const struct ip_address *to,
				      __u32 difference)
{
	void *ip = (void *)(long)skb->data + l2_header_bytes;

	if (!REWRITES_IN_PLACE)
		return rewrite_ip_at(skb, l2_header_bytes, is_v6, end, from, to);
	if (is_v6) {
		struct ipv6hdr *v6 = ip;

		if ((void *)(v6 + 1) > (void *)(long)skb->data_end)
			return DROP_WRITE_ERROR;
		__builtin_memcpy(end == REWRITE_SOURCE ? &v6->saddr : &v6->daddr, to, sizeof(*to));
	} else {
		struct iphdr *v4 = ip;

		if ((void *)(v4 + 1) > (void *)(long)skb->data_end)
			return DROP_WRITE_ERROR;
		*(end == REWRITE_SOURCE ? &v4->saddr : &v4->daddr) = to->words[3];
		v4->check = checksum_corrected(v4->check, difference);
	}
	return 0;
}

/*
 * Correct a transport checksum for an address that changes by `difference`. Where a device has
 * summed the whole packet (CHECKSUM_COMPLETE) the helper takes the difference off that sum too, as
 * is right for IPv4, whose header's checksum makes up for the address; IPv6 has none, and the sum
 * must stay.
 */
static __always_inline bool correct_for_address(struct __sk_buff *skb, __u32 checksum, bool is_v6,
						__u32 difference, __u64 flags)
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
	__u32 difference = address_difference(from, to_address, packet->is_v6);

	/* A later piece has no transport header; SCTP's checksum does not cover the addresses. */
	if (!packet->fragment_offset && packet->tuple.protocol != IPPROTO_SCTP) {
		if (field.pseudo_header && !correct_for_address(skb, checksum, packet->is_v6,
								difference, field.checksum_flags))
			return DROP_L4_CHECKSUM;
		if (from_port != to_port &&
		    (bpf_l4_csum_replace(skb, checksum, from_port, to_port,
					 sizeof(to_port) | field.checksum_flags) ||
		     bpf_skb_store_bytes(skb, packet->l4_offset + field.port_offset, &to_port,
					 sizeof(to_port), 0)))
			return DROP_L4_CHECKSUM;
	}
	return rewrite_ip(skb, packet->is_v6, end, from, to_address, difference);
}

#endif
