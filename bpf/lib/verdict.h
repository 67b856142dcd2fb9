/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Verdicts: every packet that ends or goes on is counted here, with its reason. */
#ifndef CILIATE_VERDICT_H
#define CILIATE_VERDICT_H

#include <linux/pkt_cls.h>

#include "../maps.h"

static __always_inline void count(struct __sk_buff *skb, enum drop_reason reason,
				  enum attach_point point)
{
	__u32 key = reason * ATTACH_POINT_COUNT + point;
	struct metric *metric = bpf_map_lookup_elem(&metrics, &key);

	if (metric) {
		metric->packets++; /* per CPU: no other writer */
		metric->bytes += skb->len;
	}
}

static __always_inline int drop(struct __sk_buff *skb, enum drop_reason reason,
				enum attach_point point)
{
	count(skb, reason, point);
	return TC_ACT_SHOT;
}

/* Leave the packet to the kernel's stack, or to the device it was leaving by. */
static __always_inline int pass(struct __sk_buff *skb, enum attach_point point)
{
	count(skb, FORWARDED, point);
	return TC_ACT_OK;
}

#endif
