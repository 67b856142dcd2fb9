/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* IPv6 extension headers: of a packet, and of one that an ICMPv6 error quotes. */
#ifndef CILIATE_EXTENSIONS_H
#define CILIATE_EXTENSIONS_H

#include <bpf/bpf_endian.h>

#include "packet.h"

/* Bound of the walk (RFC 8200, section 4.1 names six). */
enum { EXTENSION_HEADERS_MAX = 6 };

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
	return 0;
}

static __always_inline bool is_extension(__u8 protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
	       protocol == IPPROTO_DSTOPTS || protocol == EXTENSION_FRAGMENT;
}

/*
 * From l4_offset, where the header that tuple.protocol names begins, to the transport header, which
 * both name afterwards. What is behind a later piece's fragment header is no header. 0 or 156.
 */
static __always_inline int walk_extensions(struct __sk_buff *skb, struct packet *packet)
{
	__u8 next = packet->tuple.protocol;

	for (int i = 0; i < EXTENSION_HEADERS_MAX && is_extension(next); i++) {
		int error;

		if (packet->fragment_offset)
			break;
		error = parse_extension(skb, packet, &next);
		if (error)
			return error;
	}
	packet->tuple.protocol = next;
	return is_extension(next) && !packet->fragment_offset ? DROP_INVALID_IPV6_EXTENSION : 0;
}

#endif
