/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which packets are news of their flow, and which side began it. A flow is known by a name that
 * both directions share; its place in `flow_traces` is found without a search, and taken from whom
 * it had before: what is forgotten so is told once more, never less.
 */
#ifndef CILIATE_FLOW_TRACE_H
#define CILIATE_FLOW_TRACE_H

#include "../maps.h"
#include "compiler.h"
#include "packet.h"

enum { TRACE_NOT_NEWS = -1 };

static __always_inline __u64 trace_mix(__u64 name, __u64 word)
{
	name = (name ^ word) * 0x9e3779b97f4a7c15ULL;
	return name ^ name >> 32;
}

static __always_inline __u64 trace_end(__u64 seed, const struct ip_address *address, __be16 port)
{
	seed = trace_mix(seed, (__u64)address->words[0] << 32 | address->words[1]);
	seed = trace_mix(seed, (__u64)address->words[2] << 32 | address->words[3]);
	return trace_mix(seed, port);
}

/* A point's place among those of a direction. */
static __always_inline __u32 trace_place(__u32 point)
{
	switch (point) {
	case TRACE_TO_ENDPOINT:
		return 0;
	case TRACE_TO_STACK:
		return 1;
	case TRACE_TO_NETWORK:
	case TRACE_TO_OVERLAY: /* a packet leaves in one of the two */
		return 2;
	}
	return 3;
}

/* Does the packet begin another connection by the ports of one that ended? */
static __always_inline bool trace_begins_anew(const struct flow_trace *known,
					      const struct event *event)
{
	return known->ended && event->protocol == IPPROTO_TCP &&
	       (event->tcp_flags & (TCP_FLAG_SYN_BIT | TCP_FLAG_ACK_BIT)) == TCP_FLAG_SYN_BIT;
}

/* Note who began the flow, and that a side ends it, where this packet shows it. */
static __always_inline void trace_opener(struct flow_trace *known, const struct event *event,
					 __u32 direction, bool is_first)
{
	bool syn = event->tcp_flags & TCP_FLAG_SYN_BIT, ack = event->tcp_flags & TCP_FLAG_ACK_BIT;

	if (event->protocol == IPPROTO_TCP) {
		if (syn)
			known->opener = (ack ? !direction : direction) + 1;
		if (event->tcp_flags & (TCP_FLAG_FIN_BIT | TCP_FLAG_RST_BIT))
			known->ended = 1;
	} else if (is_first) {
		known->opener = direction + 1;
	}
}

static __always_inline enum trace_reason trace_reason(const struct flow_trace *known,
						      __u32 direction, bool is_first)
{
	if (!known->opener)
		return TRACE_UNKNOWN;
	if (known->opener != direction + 1)
		return TRACE_REPLY;
	return is_first ? TRACE_NEW : TRACE_ESTABLISHED;
}

/*
 * Note that a packet of `event`'s flow was seen at its point. Returns what it is to its flow, or
 * TRACE_NOT_NEWS where it is none and such are left out. Two CPUs may write one place: then
 * something is told twice.
 */
static __always_inline int trace_news(const struct event_settings *settings,
				      const struct event *event)
{
	bool has_ports = event->protocol != IPPROTO_ICMP && event->protocol != IPPROTO_ICMPV6;
	__u64 source =
		trace_end(settings->seed, &event->source, has_ports ? event->source_port : 0);
	__u64 destination = trace_end(settings->seed, &event->destination,
				      has_ports ? event->destination_port : 0);
	__u64 name = trace_mix(source + destination, event->protocol) | 1;
	__u32 place = name >> 32 & (FLOW_TRACES_MAX - 1), now_ms = event->time_ns / 1000000;
	__u32 direction = source < destination, reported = event->tcp_flags & settings->tcp_flags;
	__u32 at = direction * FLOW_TRACE_POINTS + trace_place(event->about);
	struct flow_trace *known = bpf_map_lookup_elem(&flow_traces, &place);
	bool is_first, is_news;
	int reason;

	if (!known)
		return TRACE_UNKNOWN;
	is_first = known->name != name || trace_begins_anew(known, event);
	if (is_first) {
		__builtin_memset(known, 0, sizeof(*known));
		known->name = name;
	}
	trace_opener(known, event, direction, is_first);
	if (at >= 2 * FLOW_TRACE_POINTS)
		return TRACE_UNKNOWN;
	is_news = !known->seen[at] || reported & ~known->tcp_flags[at] ||
		  now_ms - known->told_ms[at] >= settings->interval_ms;
	reason = trace_reason(known, direction, !known->seen[at]);
	if (settings->aggregation >= AGGREGATION_MEDIUM && !is_news)
		return TRACE_NOT_NEWS;
	known->seen[at] = 1;
	known->tcp_flags[at] |= reported;
	known->told_ms[at] = now_ms;
	return reason;
}

#endif
