/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Verdicts: the only ways out of a program. Each counts the packet once, under its reason and
 * attach point; no program returns a TC_ACT_* of its own.
 */
#ifndef CILIATE_VERDICT_H
#define CILIATE_VERDICT_H

#include <linux/pkt_cls.h>

#include "../maps.h"
#include "decision.h"
#include "event.h"
#include "flow.h"
#include "source_file.h"

static __always_inline void count(struct __sk_buff *skb, const struct flow *flow,
				  enum drop_reason reason)
{
	__u32 key = reason * ATTACH_POINT_COUNT + flow->point;
	struct metric *metric;

	if (dry_run) {
		note_reason(reason);
		return;
	}
	metric = bpf_map_lookup_elem(&metrics, &key);
	if (metric) {
		metric->packets++; /* per CPU: no other writer */
		metric->bytes += skb->len;
	}
}

/* Where the packet came from, for tell_packet: a trace point + 1, or 0. */
static __always_inline __u32 origin_of(const struct flow *flow)
{
	if (flow->point == FROM_POD)
		return TRACE_FROM_ENDPOINT + 1;
	if (flow->point == FROM_UPLINK)
		return TRACE_FROM_NETWORK + 1;
	if (flow->point == FROM_TUNNEL)
		return TRACE_FROM_OVERLAY + 1;
	if (flow->point == FROM_HOST)
		return TRACE_FROM_HOST + 1;
	return 0;
}

/* Were its headers read? */
static __always_inline bool is_understood(const struct flow *flow)
{
	return flow->packet && flow->packet->l4_offset;
}

/* Tell that the packet was seen at `point`. */
static __always_inline void tell_trace(struct __sk_buff *skb, const struct flow *flow,
				       enum trace_point point, enum tell_flag flags)
{
	if (listeners(EVENT_WANTED_TRACE) && is_understood(flow))
		tell_packet(skb, flow->packet, telling(EVENT_TRACE, point, origin_of(flow), flags),
			    0, flow->identity);
}

/* Tell that the packet was dropped: any, whether it was understood or not. */
static __always_inline void tell_drop(struct __sk_buff *skb, const struct flow *flow,
				      enum drop_reason reason, enum tell_flag flags, __u32 place)
{
	if (listeners(EVENT_WANTED_DROP))
		tell_packet(skb, flow->packet, telling(EVENT_DROP, reason, origin_of(flow), flags),
			    place, flow->identity);
}

/* Tell of a packet that is left to the kernel's stack where it goes on. */
static __always_inline void tell_pass(struct __sk_buff *skb, const struct flow *flow)
{
	switch (flow->point) {
	case FROM_POD:
		tell_trace(skb, flow, TRACE_TO_STACK, 0);
		break;
	case TO_POD:
		tell_trace(skb, flow, TRACE_TO_ENDPOINT, TELL_TO_POD);
		break;
	case TO_UPLINK:
		tell_trace(skb, flow, TRACE_TO_NETWORK, 0);
		break;
	case FROM_UPLINK: /* the node's own, or to_pod sees it: told alone where all is */
	case FROM_TUNNEL:
		if (listeners(EVENT_WANTED_TRACE) && is_understood(flow))
			tell_packet(skb, flow->packet, telling(0, 0, origin_of(flow), 0), 0,
				    flow->identity);
		break;
	default:
		break;
	}
}

/* The packet ends here. */
#define drop(skb, flow, reason) drop_at(skb, flow, reason, SOURCE_PLACE)

static __always_inline int drop_at(struct __sk_buff *skb, const struct flow *flow,
				   enum drop_reason reason, __u32 place)
{
	count(skb, flow, reason);
	tell_drop(skb, flow, reason, 0, place);
	return TC_ACT_SHOT;
}

/* Leave the packet to the kernel's stack, or to the device it was leaving by. */
static __always_inline int pass(struct __sk_buff *skb, const struct flow *flow)
{
	count(skb, flow, FORWARDED);
	tell_pass(skb, flow);
	return TC_ACT_OK;
}

/* The packet goes where a redirecting helper said; `action` is what that helper returned. */
static __always_inline int forward(struct __sk_buff *skb, const struct flow *flow,
				   enum trace_point point, int action)
{
	count(skb, flow, FORWARDED);
	tell_trace(skb, flow, point, point == TRACE_TO_ENDPOINT ? TELL_TO_POD : 0);
	return action;
}

/* The answer to a pod's question for a neighbour: no packet that anything is told of. */
static __always_inline int give_back_frame(struct __sk_buff *skb, const struct flow *flow,
					   int action)
{
	count(skb, flow, FORWARDED);
	return action;
}

/* The packet ends here; what is left of it tells its sender why, and goes where `action` says. */
#define answer(skb, flow, reason, action) answer_at(skb, flow, reason, action, SOURCE_PLACE)

static __always_inline int answer_at(struct __sk_buff *skb, const struct flow *flow,
				     enum drop_reason reason, int action, __u32 place)
{
	count(skb, flow, reason);
	tell_drop(skb, flow, reason, TELL_IS_CHANGED, place);
	return action;
}

#endif
