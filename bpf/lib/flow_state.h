/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The state of a flow: its flags and when it is over. The same rules hold for every map that keeps
 * flows (conntrack.h, nat.h); what else a flow has is theirs. docs/DATAPATH.md, "Lifetimes".
 */
#ifndef CILIATE_FLOW_STATE_H
#define CILIATE_FLOW_STATE_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "../config.h"
#include "packet.h"

#define SECOND_NS 1000000000ULL

/* Lifetimes after the last packet; Cilium's defaults. RFC 5382 asks for at least 2 h 4 min. */
static const __u64 LIFETIME_TCP_NS = 8000 * SECOND_NS;
static const __u64 LIFETIME_TCP_SYN_NS = 60 * SECOND_NS;
static const __u64 LIFETIME_TCP_CLOSED_NS = 10 * SECOND_NS;
static const __u64 LIFETIME_ANY_NS = 60 * SECOND_NS;
/* Expiry is written again only when it moved by this much. */
static const __u64 REFRESH_NS = SECOND_NS;

static const __u32 CONNECTION_CLOSED = CONNECTION_CLOSING_ORIGINAL | CONNECTION_CLOSING_REPLY;

/* CLOCK_MONOTONIC; lifetimes are of seconds, so a tick more or less does not matter. */
static __always_inline __u64 now_ns(void)
{
	return coarse_clock ? bpf_ktime_get_coarse_ns() : bpf_ktime_get_ns();
}

static __always_inline __u64 lifetime_ns(__u8 protocol, __u32 flags)
{
	if (protocol != IPPROTO_TCP)
		return LIFETIME_ANY_NS;
	if ((flags & CONNECTION_CLOSED) == CONNECTION_CLOSED)
		return LIFETIME_TCP_CLOSED_NS;
	return flags & CONNECTION_SEEN_NON_SYN ? LIFETIME_TCP_NS : LIFETIME_TCP_SYN_NS;
}

/*
 * The flags of a flow after a packet. A FIN or RST closes its own direction; a RST before the
 * connection stood closes both, because neither side sends more.
 */
static __always_inline __u32 flags_after(__u32 flags, const struct packet *packet, bool reply)
{
	__u32 own = reply ? CONNECTION_CLOSING_REPLY : CONNECTION_CLOSING_ORIGINAL;
	__u8 tcp = packet->tcp_flags;

	if (packet->tuple.protocol != IPPROTO_TCP || packet->fragment_offset)
		return reply ? flags | CONNECTION_SEEN_REPLY : flags;
	if ((tcp & (TCP_FLAG_SYN_BIT | TCP_FLAG_ACK_BIT)) == TCP_FLAG_SYN_BIT) {
		/* A new connection on the ports of a closed one starts a new life. */
		return (flags & CONNECTION_CLOSED) == CONNECTION_CLOSED ? 0 : flags;
	}
	if (tcp & TCP_FLAG_RST_BIT && !(flags & CONNECTION_SEEN_NON_SYN))
		flags |= CONNECTION_CLOSED;
	if (tcp & (TCP_FLAG_RST_BIT | TCP_FLAG_FIN_BIT))
		flags |= own;
	if (reply)
		flags |= CONNECTION_SEEN_REPLY;
	return flags | CONNECTION_SEEN_NON_SYN;
}

/* What maps keep of a flow's state, each in fields of its own. */
struct flow_state {
	__u64 expires_ns; /* CLOCK_MONOTONIC */
	__u32 flags; /* enum connection_flag */
};

/* The state that `packet`, seen at `now`, leaves of a flow that had `flags`; 0 for a new flow. */
static __always_inline struct flow_state flow_state_after(__u32 flags, const struct packet *packet,
							  bool reply, __u64 now)
{
	struct flow_state state = {.flags = flags_after(flags, packet, reply)};

	state.expires_ns = now + lifetime_ns(packet->tuple.protocol, state.flags);
	return state;
}

/* Is `state` worth a write to a line that other CPUs read, over what the entry says? */
static __always_inline bool flow_state_moved(const struct flow_state *state, __u32 flags,
					     __u64 expires_ns)
{
	return state->flags != flags || state->expires_ns > expires_ns + REFRESH_NS;
}

/* An entry may stay in its map long after its flow: nothing is decided by it then. */
static __always_inline bool flow_is_over(__u64 expires_ns)
{
	return expires_ns < now_ns();
}

#endif
