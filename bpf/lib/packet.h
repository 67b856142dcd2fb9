/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * struct packet: what a packet's headers say, whichever step asks. parse.h fills it; every other
 * step only reads it. Beside it the parts of the wire that <linux/…> does not name.
 */
#ifndef CILIATE_PACKET_H
#define CILIATE_PACKET_H

#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_helpers.h>

#include "../abi.h"

enum {
	IPV4_FRAGMENT_OFFSET_MASK = 0x1fff,
	IPV4_MORE_FRAGMENTS = 0x2000,
	IPV4_DONT_FRAGMENT = 0x4000,
	IPV6_FRAGMENT_OFFSET_MASK = 0xfff8,
	IPV6_MORE_FRAGMENTS = 0x0001,
	EXTENSION_FRAGMENT = 44,
	TCP_FLAGS_OFFSET = 13,
	TCP_FLAG_FIN_BIT = 0x01,
	TCP_FLAG_SYN_BIT = 0x02,
	TCP_FLAG_RST_BIT = 0x04,
	TCP_FLAG_ACK_BIT = 0x10,
	VLAN_NUMBER_MASK = 0x0fff,
};

/* ICMP and ICMPv6 begin alike; <linux/icmp.h> needs headers of the C library. */
struct icmp_header {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be16 echo_id;
	__be16 echo_sequence;
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

/* Addresses, ports and fragment_id are in network byte order, all else in the host's. */
struct packet {
	struct tuple tuple; /* direction is the caller's to set */
	__u32 l4_offset; /* of the transport header, from the first octet of the frame */
	__be32 fragment_id;
	__u16 fragment_offset; /* nonzero: not the first piece, no transport header here */
	__u8 ttl; /* or hop limit */
	__u8 tcp_flags;
	__u8 l4_kind; /* enum l4_kind */
	bool is_v6;
	bool more_fragments;
	bool has_options; /* IPv4's, which may ask a router for more than to forward */
};

/*
 * Is the frame for a VLAN? A tag with number 0 carries a priority only (IEEE 802.1Q, 9.6): such a
 * frame belongs to the device itself.
 */
static __always_inline bool has_vlan_tag(struct __sk_buff *skb)
{
	return skb->vlan_present && skb->vlan_tci & VLAN_NUMBER_MASK;
}

/*
 * Take a priority tag off what arrives. False: there is another tag behind it. Invalidates packet
 * pointers.
 */
static __always_inline bool drop_priority_tag(struct __sk_buff *skb)
{
	return !skb->vlan_present || (!bpf_skb_vlan_pop(skb) && !skb->vlan_present);
}

/* The key under which a packet of the other way is found; direction is kept. */
static __always_inline struct tuple tuple_reversed(const struct tuple *tuple)
{
	struct tuple reversed = {
		.source = tuple->destination,
		.destination = tuple->source,
		.source_port = tuple->destination_port,
		.destination_port = tuple->source_port,
		.protocol = tuple->protocol,
		.direction = tuple->direction,
	};

	return reversed;
}

#endif
