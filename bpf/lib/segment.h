/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How long a packet is on the wire. One that the kernel has yet to cut into segments (GSO) is
 * longer than any packet that will leave; the next hop's MTU limits the segments.
 *
 * Not seen are the inner headers of a tunnel over UDP that a pod makes itself: gso_size is what the
 * inner packet carries, and nothing that a program can read tells such a packet from UDP's own GSO.
 */
#ifndef CILIATE_SEGMENT_H
#define CILIATE_SEGMENT_H

#include "../config.h"
#include "packet.h"

enum {
	LENGTH_MAX = 65535, /* of an IP packet; longer than every MTU */
	UDP_HEADER_BYTES = 8,
	TCP_LENGTH_OFFSET = 12, /* its upper half: the TCP header's length in 32-bit words */
};

/* Octets of the longest segment, from its IP header on; LENGTH_MAX where that is not known. */
static __always_inline __u16 segment_length(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 length = packet->l4_offset - l2_header_bytes + skb->gso_size;
	__u8 words;

	if (!skb->gso_size)
		length = skb->len - l2_header_bytes;
	else if (packet->tuple.protocol == IPPROTO_UDP)
		length += UDP_HEADER_BYTES;
	else if (packet->tuple.protocol == IPPROTO_TCP &&
		 !bpf_skb_load_bytes(skb, packet->l4_offset + TCP_LENGTH_OFFSET, &words, 1))
		length += (words >> 4) * 4;
	else
		length = LENGTH_MAX;
	return length < LENGTH_MAX ? length : LENGTH_MAX;
}

#endif
