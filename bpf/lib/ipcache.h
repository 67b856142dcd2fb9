/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Identity and node of an address, anywhere in the cluster. */
#ifndef CILIATE_IPCACHE_H
#define CILIATE_IPCACHE_H

#include <stdbool.h>

#include "../config.h"
#include "../maps.h"

enum { IPCACHE_HOST_PREFIX = 128 };

static __always_inline struct ipcache_entry *ipcache_lookup(const struct ip_address *address)
{
	struct prefix_key key = {
		.prefix_length = IPCACHE_HOST_PREFIX,
		.address = *address,
	};

	return bpf_map_lookup_elem(&ipcache, &key);
}

static __always_inline bool is_of_a_node(const struct ipcache_entry *entry)
{
	return entry->identity == IDENTITY_HOST || entry->identity == IDENTITY_REMOTE_NODE ||
	       entry->identity == IDENTITY_KUBE_APISERVER;
}

static __always_inline bool is_address_of_a_node(const struct ip_address *address)
{
	const struct ipcache_entry *entry = ipcache_lookup(address);

	return entry && is_of_a_node(entry);
}

/*
 * Pods know each other, and nodes know the way to every pod: both see the pod's own address. Where
 * that way is a tunnel, a node is not reached by it: there the network must know who asks.
 */
static __always_inline bool is_never_masqueraded(const struct ipcache_entry *entry)
{
	return entry->flags & (IPCACHE_CLUSTER | IPCACHE_TUNNEL) ||
	       (!encapsulates && is_of_a_node(entry));
}

#endif
