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
#include "flow.h"

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

/* The packet ends here. */
static __always_inline int drop(struct __sk_buff *skb, const struct flow *flow,
				enum drop_reason reason)
{
	count(skb, flow, reason);
	return TC_ACT_SHOT;
}

/* Leave the packet to the kernel's stack, or to the device it was leaving by. */
static __always_inline int pass(struct __sk_buff *skb, const struct flow *flow)
{
	count(skb, flow, FORWARDED);
	return TC_ACT_OK;
}

/* The packet goes where a redirecting helper said; `action` is what that helper returned. */
static __always_inline int forward(struct __sk_buff *skb, const struct flow *flow, int action)
{
	count(skb, flow, FORWARDED);
	return action;
}

/* The packet ends here; what is left of it tells its sender why, and goes where `action` says. */
static __always_inline int answer(struct __sk_buff *skb, const struct flow *flow,
				  enum drop_reason reason, int action)
{
	count(skb, flow, reason);
	return action;
}

#endif
