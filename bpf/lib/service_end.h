/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose packets were translated for a Service: only of these are all looked up. Most pods' sockets
 * are, and their packets then are like any others.
 */
#ifndef CILIATE_SERVICE_END_H
#define CILIATE_SERVICE_END_H

#include <stdbool.h>

#include "../config.h"
#include "../maps.h"

/* Were packets of this endpoint, or of the node (OWNER_NODE), translated for a Service? */
static __always_inline bool is_service_end(__u32 number)
{
	const __u32 *is_one =
		services_by_packet ? bpf_map_lookup_elem(&service_ends, &number) : NULL;

	return is_one && *is_one;
}

static __always_inline void note_service_end(__u32 number)
{
	__u32 *is_one = bpf_map_lookup_elem(&service_ends, &number);

	if (is_one && !*is_one)
		*is_one = 1;
}

#endif
