/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ring of events. Where nobody listens, an event costs one look at `event_settings`. What finds
 * no room is counted: nothing is lost in silence.
 */
#ifndef CILIATE_RING_H
#define CILIATE_RING_H

#include <stdbool.h>
#include <stddef.h>

#include "../config.h"
#include "../maps.h"
#include "compiler.h"

/* The settings where what is `wanted` is told, else NULL. */
static __always_inline const struct event_settings *listeners(enum event_wanted_flag wanted)
{
	__u32 first = 0;
	const struct event_settings *settings = bpf_map_lookup_elem(&event_settings, &first);

	return !dry_run && settings && settings->wanted & wanted ? settings : NULL;
}

/* The counts of this CPU, where a packet's program may interrupt a socket's. */
static __always_inline struct event_counts *event_counts_here(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&event_counts, &first);
}

/*
 * Whether the limit allows one more event: each costs its part of a second, and time that was not
 * spent is saved, up to `burst_ns`. CPUs that ask at one moment may both get the last one.
 */
static __always_inline bool is_affordable(const struct event_settings *settings)
{
	__u64 now, saved_ns, *paid_until_ns;
	__u32 first = 0;

	if (!settings->cost_ns)
		return true;
	paid_until_ns = bpf_map_lookup_elem(&event_budget, &first);
	if (!paid_until_ns)
		return true;
	now = bpf_ktime_get_ns();
	saved_ns = now > *paid_until_ns ? now - *paid_until_ns : 0;
	if (saved_ns > settings->burst_ns)
		saved_ns = settings->burst_ns;
	if (saved_ns < settings->cost_ns)
		return false;
	*paid_until_ns = now - saved_ns + settings->cost_ns;
	return true;
}

/*
 * A record in the ring for the caller to fill; NULL: there is no room, or they were too many by the
 * limit that `settings` have, and that is counted. What is
 * told is counted elsewhere, in submit_event: the compiler would make one of both counts, and ask
 * behind it a second time what the verifier of Linux 6.1 has forgotten.
 */
static __always_inline struct event *reserve_event(const struct event_settings *settings)
{
	struct event_counts *counts;
	struct event *event = NULL;

	if (is_affordable(settings))
		event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		counts = event_counts_here();
		if (counts)
			__sync_fetch_and_add(&counts->lost, 1);
	}
	return event;
}

/* A reader that sleeps is woken; one that has much to read comes by the clock. */
static __always_inline void submit_event(struct event *event)
{
	__u64 wake = listeners(EVENT_WANTED_WAKE) ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
	struct event_counts *counts;

	bpf_ringbuf_submit(event, wake);
	counts = event_counts_here();
	if (counts)
		__sync_fetch_and_add(&counts->told, 1);
}

#endif
