/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What was decided about a packet, and by what: for `explain masquerade`, which runs a program that
 * was loaded once more with `dry_run`. Such a program changes nothing that the live ones see: it
 * takes no port, opens, ends and ages no connection, and counts nothing. In the live programs
 * `dry_run` is a constant 0, so the verifier takes all of this out.
 */
#ifndef CILIATE_DECISION_H
#define CILIATE_DECISION_H

#include "../config.h"
#include "../maps.h"

/* The record of the packet; NULL in a live program. */
static __always_inline struct decision *decision_here(void)
{
	__u32 first = 0;

	return dry_run ? bpf_map_lookup_elem(&decisions, &first) : NULL;
}

static __always_inline void note_step(enum decision_step step)
{
	struct decision *decision = decision_here();

	if (decision)
		decision->step = step;
}

static __always_inline void note_reason(enum drop_reason reason)
{
	struct decision *decision = decision_here();

	if (decision)
		decision->reason = reason;
}

static __always_inline void note_next_hop(__u32 ifindex, __u32 family, const __be32 *address)
{
	struct decision *decision = decision_here();

	if (!decision)
		return;
	decision->ifindex = ifindex;
	decision->next_hop_family = family;
	__builtin_memcpy(decision->next_hop, address, sizeof(decision->next_hop));
}

/* By rule `rule` of list `generation`, in `step`; `seen` is the source it gets. */
static __always_inline void note_rule(enum decision_step step, __u32 rule, __u32 generation,
				      enum masquerade_action action, const struct ip_address *seen)
{
	struct decision *decision = decision_here();

	if (!decision)
		return;
	decision->step = step;
	decision->rule = rule;
	decision->generation = generation;
	decision->action = action;
	decision->seen = *seen;
}

/* A connection that stands in the table goes on, as was decided when it was opened. */
static __always_inline void note_known_connection(const struct connection *connection)
{
	struct decision *decision = decision_here();

	if (!decision)
		return;
	note_rule(DECISION_CONNECTION, connection->rule, connection->rules_generation,
		  MASQUERADE_NO_RULE, &connection->seen);
	decision->seen_port = connection->seen_port;
	decision->connection_flags = connection->flags;
}

#endif
