/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What one program tells another of a packet that passes both. */
#ifndef CILIATE_MARK_H
#define CILIATE_MARK_H

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

#include "../config.h"

/*
 * The marks of a packet whose source is decided, and of one that a tunnel's device puts into
 * another: Cilium's "SNAT done" (0x300 under 0xf00) and "overlay". kube-proxy's bits, 0x4000 and
 * 0x8000, are left alone.
 */
enum { MARK_SOURCE_DECIDED = 0x300, MARK_OVERLAY = 0x400, MARK_MASK = 0xf00 };

static __always_inline bool source_is_decided(struct __sk_buff *skb)
{
	__u32 mark = skb->mark & MARK_MASK;

	return mark == MARK_SOURCE_DECIDED || (encapsulates && mark == MARK_OVERLAY);
}

static __always_inline void mark_source_decided(struct __sk_buff *skb)
{
	skb->mark = (skb->mark & ~MARK_MASK) | MARK_SOURCE_DECIDED;
}

static __always_inline void mark_overlay(struct __sk_buff *skb)
{
	skb->mark = (skb->mark & ~MARK_MASK) | MARK_OVERLAY;
}

#endif
