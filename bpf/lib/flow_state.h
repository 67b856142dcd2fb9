/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The state of a connection: its flags and when it is over. docs/DATAPATH.md, "Lifetimes".
 */
#ifndef CILIATE_FLOW_STATE_H
#define CILIATE_FLOW_STATE_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "../config.h"
#include "packet.h"

#define SECOND_NS 1000000000ULL

/* Expiry is written again only when it moved by this much. */
static const __u64 REFRESH_NS = SECOND_NS;

static const __u32 CONNECTION_CLOSED = CONNECTION_CLOSING_ORIGINAL | CONNECTION_CLOSING_REPLY;
/* What a connection is, whatever its packets say. */
static const __u32 CONNECTION_LASTING =
	CONNECTION_INBOUND | CONNECTION_RULE_ADDRESS | CONNECTION_SERVICE | CONNECTION_CLIENTS;
/* Opened from outside: by an address that may be forged. */
static const __u32 CONNECTION_OUTSIDERS = CONNECTION_INBOUND | CONNECTION_CLIENTS;
static const __u32 CONNECTION_RESET = CONNECTION_RESET_ORIGINAL | CONNECTION_RESET_REPLY;

/* CLOCK_MONOTONIC; lifetimes are of seconds, so a tick more or less does not matter. */
static __always_inline __u64 now_ns(void)
{
	return coarse_clock ? bpf_ktime_get_coarse_ns() : bpf_ktime_get_ns();
}

/*
 * Does a connection stand? One that a pod opened: somebody answered. One from outside: who opened
 * it went on after the answer, so it is no forged source. Only such a one lives long, and only by
 * such ones is it known who answers for whom.
 */
static __always_inline bool flow_stands(__u32 flags)
{
	return flags & (flags & CONNECTION_OUTSIDERS ? CONNECTION_ASSURED : CONNECTION_SEEN_REPLY);
}

static __always_inline bool flow_is_closed(__u32 flags)
{
	return flags & CONNECTION_RESET || (flags & CONNECTION_CLOSED) == CONNECTION_CLOSED;
}

/*
 * Does a SYN on the ports of a connection begin a new one? Where that is closed; but who knows the
 * ports of an opener outside can forge its RST.
 */
static __always_inline bool syn_begins_anew(__u32 flags)
{
	return flow_is_closed(flags & CONNECTION_OUTSIDERS ? flags & ~CONNECTION_RESET_ORIGINAL
							   : flags);
}

/* Has each side closed it, or reset it? */
static __always_inline bool both_sides_are_done(__u32 flags)
{
	return flags & (CONNECTION_CLOSING_ORIGINAL | CONNECTION_RESET_ORIGINAL) &&
	       flags & (CONNECTION_CLOSING_REPLY | CONNECTION_RESET_REPLY);
}

static __always_inline __u64 lifetime_ns(__u8 protocol, __u32 flags)
{
	__u32 seconds = lifetime_tcp;

	if (protocol == IPPROTO_UDP)
		seconds = lifetime_udp;
	else if (protocol != IPPROTO_TCP)
		seconds = lifetime_any;
	else if (both_sides_are_done(flags))
		seconds = lifetime_tcp_closed;
	else if (!flow_stands(flags))
		seconds = lifetime_tcp_syn;
	else if (flags & CONNECTION_RESET)
		seconds = lifetime_tcp_reset;
	return seconds * SECOND_NS;
}

/* Does this packet ask for a new connection? */
static __always_inline bool is_syn(const struct packet *packet)
{
	return packet->tuple.protocol == IPPROTO_TCP &&
	       (packet->tcp_flags & (TCP_FLAG_SYN_BIT | TCP_FLAG_ACK_BIT)) == TCP_FLAG_SYN_BIT;
}

/*
 * The flags of a connection after a packet. A FIN closes its own direction. A RST before the
 * connection stood closes both, because neither side sends more, and is no answer. Whose side goes
 * on after a RST has not sent that: anybody can who knows the ports (RFC 5961).
 */
static __always_inline __u32 flags_after(__u32 flags, const struct packet *packet, bool reply)
{
	__u32 reset = reply ? CONNECTION_RESET_REPLY : CONNECTION_RESET_ORIGINAL;
	__u8 tcp = packet->tcp_flags;

	if (packet->tuple.protocol != IPPROTO_TCP || packet->fragment_offset) {
		if (reply)
			return flags | CONNECTION_SEEN_REPLY;
		return flags & CONNECTION_SEEN_REPLY ? flags | CONNECTION_ASSURED : flags;
	}
	if (is_syn(packet))
		return syn_begins_anew(flags) ? flags & CONNECTION_LASTING : flags;
	if (tcp & TCP_FLAG_RST_BIT) {
		flags |= flow_stands(flags) ? reset : CONNECTION_CLOSED;
		return flags | CONNECTION_SEEN_NON_SYN;
	}
	flags &= ~reset;
	if (tcp & TCP_FLAG_FIN_BIT)
		flags |= reply ? CONNECTION_CLOSING_REPLY : CONNECTION_CLOSING_ORIGINAL;
	if (reply)
		flags |= CONNECTION_SEEN_REPLY;
	else if (flags & CONNECTION_SEEN_REPLY)
		flags |= CONNECTION_ASSURED;
	return flags | CONNECTION_SEEN_NON_SYN;
}

#endif
