/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which ports of the node may be those of masqueraded connections. */
#ifndef CILIATE_PORT_RANGE_H
#define CILIATE_PORT_RANGE_H

#include <linux/in.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>

#include "../config.h"

/* Is `port` (network order) one of those that masqueraded connections get? */
static __always_inline bool nat_port_in_range(__be16 port)
{
	__u16 host = bpf_ntohs(port);

	return host >= snat_port_min && host <= snat_port_max;
}

/* May a packet of `protocol` with this port at the node's side be of a masqueraded connection? */
static __always_inline bool nat_may_have_port(__u8 protocol, __be16 port)
{
	return protocol == IPPROTO_SCTP || nat_port_in_range(port);
}

#endif
