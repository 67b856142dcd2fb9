/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Telling the sender of a packet that it does not get there: the packet becomes the answer and goes
 * back by the device it came from. One answer a packet, of 110 octets at most. A connection that is
 * asked for is reset (RFC 9293, 3.10.7.1), since an ICMP error that comes while connect() still has
 * the socket counts for nothing until the next try, a second later; all else gets an ICMP error
 * (RFC 792, RFC 4443).
 */
#ifndef CILIATE_REFUSE_H
#define CILIATE_REFUSE_H

#include "encapsulate.h"
#include "icmp.h"
#include "verdict.h"

enum {
	ICMP_PORT_UNREACHABLE = 3,
	ICMP_FRAGMENTATION_NEEDED = 4,
	ICMPV6_PORT_UNREACHABLE = 4,
	ANSWER_TTL = 64,
	QUOTED_L4_BYTES = 8, /* RFC 792; ports are in there */
};

/* An error of either family, as it goes out behind the Ethernet header. */
struct answer_v4 {
	struct iphdr ip;
	struct icmp_header icmp;
	struct iphdr quoted;
	__u8 l4[QUOTED_L4_BYTES];
};

struct answer_v6 {
	struct ipv6hdr ip;
	struct icmp_header icmp;
	struct ipv6hdr quoted;
	__u8 l4[QUOTED_L4_BYTES];
};

struct reset_v4 {
	struct iphdr ip;
	struct tcphdr tcp;
};

struct reset_v6 {
	struct ipv6hdr ip;
	struct tcphdr tcp;
};

struct answer {
	union {
		struct answer_v4 v4;
		struct answer_v6 v6;
		struct reset_v4 reset_v4;
		struct reset_v6 reset_v6;
	};
	struct tcphdr asked;
	__u8 pseudo_header[40]; /* of ICMPv6's checksum */
	__u8 ethernet[ETH_HLEN];
};

/* The answer that this CPU builds: too big for a stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct answer);
} answers SEC(".maps");

static __always_inline __u16 checksum_of(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Fills the error about an IPv4 packet. False: the packet is too short to be quoted. */
static __always_inline bool fill_v4(struct __sk_buff *skb, const struct packet *packet,
				    struct answer_v4 *answer, __u8 code, __u16 mtu)
{
	if (packet->has_options || bpf_skb_load_bytes(skb, l2_header_bytes, &answer->quoted,
						      sizeof(answer->quoted) + sizeof(answer->l4)))
		return false;
	answer->icmp.type = ICMP_UNREACHABLE;
	answer->icmp.code = code;
	answer->icmp.checksum = 0;
	answer->icmp.echo_id = 0;
	answer->icmp.echo_sequence = bpf_htons(mtu); /* RFC 1191, 4 */
	answer->icmp.checksum = checksum_of(bpf_csum_diff(
		NULL, 0, (__be32 *)&answer->icmp,
		sizeof(answer->icmp) + sizeof(answer->quoted) + sizeof(answer->l4), 0));
	answer->ip = answer->quoted;
	answer->ip.tot_len = bpf_htons(sizeof(*answer));
	answer->ip.id = 0;
	answer->ip.frag_off = 0;
	answer->ip.ttl = ANSWER_TTL;
	answer->ip.protocol = IPPROTO_ICMP;
	answer->ip.saddr = answer->quoted.daddr;
	answer->ip.daddr = answer->quoted.saddr;
	answer->ip.check = 0;
	answer->ip.check =
		checksum_of(bpf_csum_diff(NULL, 0, (__be32 *)&answer->ip, sizeof(answer->ip), 0));
	return true;
}

/* Fills the error about an IPv6 packet; one with extensions is quoted without what is behind. */
static __always_inline bool fill_v6(struct __sk_buff *skb, struct answer *whole, __u8 type,
				    __u8 code, __u32 mtu)
{
	struct answer_v6 *answer = &whole->v6;
	__be32 *pseudo = (__be32 *)whole->pseudo_header;
	__u32 length = sizeof(answer->icmp) + sizeof(answer->quoted) + sizeof(answer->l4);
	__s64 sum;

	if (bpf_skb_load_bytes(skb, l2_header_bytes, &answer->quoted,
			       sizeof(answer->quoted) + sizeof(answer->l4)))
		return false;
	answer->icmp.type = type;
	answer->icmp.code = code;
	answer->icmp.checksum = 0;
	answer->icmp.echo_id = bpf_htons(mtu >> 16); /* RFC 4443, 3.2: 32 bits */
	answer->icmp.echo_sequence = bpf_htons(mtu);
	answer->ip = answer->quoted;
	answer->ip.payload_len = bpf_htons(length);
	answer->ip.nexthdr = IPPROTO_ICMPV6;
	answer->ip.hop_limit = ANSWER_TTL;
	answer->ip.saddr = answer->quoted.daddr;
	answer->ip.daddr = answer->quoted.saddr;
	__builtin_memcpy(pseudo, &answer->ip.saddr, 32);
	pseudo[8] = bpf_htonl(length);
	pseudo[9] = bpf_htonl(IPPROTO_ICMPV6);
	sum = bpf_csum_diff(NULL, 0, pseudo, sizeof(whole->pseudo_header), 0);
	answer->icmp.checksum =
		checksum_of(bpf_csum_diff(NULL, 0, (__be32 *)&answer->icmp, length, sum));
	return true;
}

/* Makes the packet the first `length` octets of the answer, and its sender the receiver. */
static __always_inline bool become_answer(struct __sk_buff *skb, struct answer *answer,
					  __u32 length)
{
	struct ethhdr *sent, back;

	if (bpf_skb_change_tail(skb, l2_header_bytes + length, 0))
		return false;
	if (bpf_skb_store_bytes(skb, l2_header_bytes, answer, length, 0))
		return false;
	if (!l2_header_bytes)
		return true;
	sent = (struct ethhdr *)answer->ethernet;
	if (bpf_skb_load_bytes(skb, 0, sent, ETH_HLEN))
		return false;
	back = *sent;
	__builtin_memcpy(sent->h_dest, back.h_source, ETH_ALEN);
	__builtin_memcpy(sent->h_source, back.h_dest, ETH_ALEN);
	return !bpf_skb_store_bytes(skb, 0, sent, ETH_HLEN, 0);
}

/* Fills the header of a reset, but for its checksum, from the one of the packet it answers. */
static __always_inline void fill_reset(struct tcphdr *reset, const struct tcphdr *asked)
{
	__builtin_memset(reset, 0, sizeof(*reset));
	reset->source = asked->dest;
	reset->dest = asked->source;
	reset->doff = sizeof(*reset) / 4;
	reset->rst = 1;
	if (asked->ack) {
		reset->seq = asked->ack_seq;
		return;
	}
	reset->ack = 1;
	reset->ack_seq = bpf_htonl(bpf_ntohl(asked->seq) + 1); /* what a SYN takes */
}

/* The sum over a pseudo header whose addresses the caller has put in front (RFC 9293, 3.1). */
static __always_inline __s64 sum_pseudo(__be32 *pseudo, __u32 words, __u32 length, __u32 protocol)
{
	pseudo[words] = bpf_htonl(length);
	pseudo[words + 1] = bpf_htonl(protocol);
	return bpf_csum_diff(NULL, 0, pseudo, (words + 2) * sizeof(*pseudo), 0);
}

/* Fills the reset of a connection that an IPv4 packet asks for. */
static __always_inline bool fill_reset_v4(struct __sk_buff *skb, struct answer *whole)
{
	struct reset_v4 *reset = &whole->reset_v4;
	__be32 *pseudo = (__be32 *)whole->pseudo_header;

	if (bpf_skb_load_bytes(skb, l2_header_bytes, &reset->ip, sizeof(reset->ip)))
		return false;
	pseudo[0] = reset->ip.daddr;
	pseudo[1] = reset->ip.saddr;
	reset->ip.saddr = pseudo[0];
	reset->ip.daddr = pseudo[1];
	reset->ip.ihl = sizeof(reset->ip) / 4;
	reset->ip.tot_len = bpf_htons(sizeof(*reset));
	reset->ip.id = 0;
	reset->ip.frag_off = 0;
	reset->ip.ttl = ANSWER_TTL;
	reset->ip.check = 0;
	reset->ip.check =
		checksum_of(bpf_csum_diff(NULL, 0, (__be32 *)&reset->ip, sizeof(reset->ip), 0));
	fill_reset(&reset->tcp, &whole->asked);
	reset->tcp.check =
		checksum_of(bpf_csum_diff(NULL, 0, (__be32 *)&reset->tcp, sizeof(reset->tcp),
					  sum_pseudo(pseudo, 2, sizeof(reset->tcp), IPPROTO_TCP)));
	return true;
}

static __always_inline bool fill_reset_v6(struct __sk_buff *skb, struct answer *whole)
{
	struct reset_v6 *reset = &whole->reset_v6;
	__be32 *pseudo = (__be32 *)whole->pseudo_header;
	struct in6_addr client;

	if (bpf_skb_load_bytes(skb, l2_header_bytes, &reset->ip, sizeof(reset->ip)))
		return false;
	client = reset->ip.saddr;
	reset->ip.saddr = reset->ip.daddr;
	reset->ip.daddr = client;
	reset->ip.payload_len = bpf_htons(sizeof(reset->tcp));
	reset->ip.nexthdr = IPPROTO_TCP;
	reset->ip.hop_limit = ANSWER_TTL;
	__builtin_memcpy(pseudo, &reset->ip.saddr, 32);
	fill_reset(&reset->tcp, &whole->asked);
	reset->tcp.check =
		checksum_of(bpf_csum_diff(NULL, 0, (__be32 *)&reset->tcp, sizeof(reset->tcp),
					  sum_pseudo(pseudo, 8, sizeof(reset->tcp), IPPROTO_TCP)));
	return true;
}

/* Makes the packet, which is of TCP, the reset of its connection. */
static __noinline bool become_reset(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 first = 0;
	struct answer *answer = bpf_map_lookup_elem(&answers, &first);

	if (!answer ||
	    bpf_skb_load_bytes(skb, packet->l4_offset, &answer->asked, sizeof(answer->asked)))
		return false;
	if (packet->is_v6)
		return fill_reset_v6(skb, answer) &&
		       become_answer(skb, answer, sizeof(answer->reset_v6));
	return fill_reset_v4(skb, answer) && become_answer(skb, answer, sizeof(answer->reset_v4));
}

/*
 * Let an answer go back where the packet came from: where that is a tunnel, to the node that sent
 * it. False: the kernel refuses. Not inline: its callers' stacks are full.
 */
static __noinline bool turn_back(struct __sk_buff *skb)
{
	struct ip_address node;
	__u32 identity;

	if (!read_tunnel_key(skb, &node, &identity))
		return true;
	mark_overlay(skb);
	return set_tunnel_key(skb, &node, IDENTITY_REMOTE_NODE);
}

/*
 * Answer that the packet's port is not reachable or, with an `mtu`, that it is too long for what
 * lies ahead. Returns the verdict; what cannot be answered is dropped for `reason`.
 */
static __noinline int answer_with_error(struct __sk_buff *skb, const struct flow *flow,
					enum drop_reason reason, __u32 mtu)
{
	const struct packet *packet = flow->packet;
	__u32 first = 0, ifindex = skb->ifindex;
	struct answer *error = bpf_map_lookup_elem(&answers, &first);
	bool filled = false;

	if (!error || packet->fragment_offset) /* RFC 1122, 3.2.2: never about a later piece */
		return drop(skb, flow, reason);
	if (!mtu && packet->tuple.protocol == IPPROTO_TCP) {
		if (packet->tcp_flags & TCP_FLAG_RST_BIT || !become_reset(skb, packet) ||
		    !turn_back(skb))
			return drop(skb, flow, reason);
		return answer(skb, flow, reason, bpf_redirect(ifindex, 0));
	}
	if (packet->is_v6)
		filled = fill_v6(skb, error, mtu ? ICMPV6_PKT_TOOBIG : ICMPV6_DEST_UNREACH,
				 mtu ? 0 : ICMPV6_PORT_UNREACHABLE, mtu) &&
			 become_answer(skb, error, sizeof(error->v6));
	else
		filled = fill_v4(skb, packet, &error->v4,
				 mtu ? ICMP_FRAGMENTATION_NEEDED : ICMP_PORT_UNREACHABLE, mtu) &&
			 become_answer(skb, error, sizeof(error->v4));
	if (!filled || !turn_back(skb))
		return drop(skb, flow, reason);
	return answer(skb, flow, reason, bpf_redirect(ifindex, 0));
}

#endif
