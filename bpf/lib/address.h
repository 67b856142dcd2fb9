/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* struct ip_address: comparison, mapping of IPv4, prefix tests. All in network byte order. */
#ifndef CILIATE_ADDRESS_H
#define CILIATE_ADDRESS_H

#include <linux/bpf.h>
#include <linux/in6.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "../config.h"

static __always_inline bool address_equal(const struct ip_address *a, const struct ip_address *b)
{
	return a->words[3] == b->words[3] && a->words[2] == b->words[2] &&
	       a->words[1] == b->words[1] && a->words[0] == b->words[0];
}

static __always_inline bool address_is_zero(const struct ip_address *a)
{
	return !(a->words[0] | a->words[1] | a->words[2] | a->words[3]);
}

/* ::ffff:0:0/96 (RFC 4291, 2.5.5.2): how an IPv4 address is written here. */
static __always_inline bool address_is_mapped(const struct ip_address *a)
{
	return !(a->words[0] | a->words[1]) && a->words[2] == bpf_htonl(0xffff);
}

static __always_inline struct ip_address address_from_v4(__be32 v4)
{
	struct ip_address address = {{0, 0, bpf_htonl(0xffff), v4}};

	return address;
}

static __always_inline struct ip_address address_from_v6(const struct in6_addr *v6)
{
	struct ip_address address;

	__builtin_memcpy(&address, v6, sizeof(address));
	return address;
}

/* Multicast and broadcast: 224.0.0.0/3 (RFC 5771 and what was class E), ff00::/8 (RFC 4291). */
static __always_inline bool address_is_multicast(const struct ip_address *address, bool is_v6)
{
	if (is_v6)
		return (address->words[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000);
	return (address->words[3] & bpf_htonl(0xe0000000)) == bpf_htonl(0xe0000000);
}

/* fe80::/10 (RFC 4291): never leaves its link. */
static __always_inline bool address_is_link_local(const struct ip_address *address, bool is_v6)
{
	return is_v6 && (address->words[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

/*
 * Can no packet from another machine have this source? "This network" 0/8 and loopback 127/8
 * (RFC 1122, 3.2.1.3), `::` and ::1 (RFC 4291, 2.5.2 and 2.5.3), groups, and link-local addresses
 * of IPv6. 169.254/16 can: the kernel routes it.
 */
static __always_inline bool address_is_no_source(const struct ip_address *address, bool is_v6)
{
	__u32 first = bpf_ntohl(address->words[3]) >> 24;

	if (address_is_multicast(address, is_v6))
		return true;
	if (!is_v6)
		return first == 0 || first == 127;
	return address_is_link_local(address, is_v6) ||
	       (!(address->words[0] | address->words[1] | address->words[2]) &&
		bpf_ntohl(address->words[3]) <= 1);
}

static __always_inline bool in_prefix(const struct ip_address *address,
				      const volatile struct ip_address *prefix,
				      const volatile struct ip_address *mask)
{
	if (!mask->words[0] && !mask->words[3])
		return false; /* no such prefix: a mask of a mapped IPv4 prefix begins with ones */
	return (address->words[3] & mask->words[3]) == prefix->words[3] &&
	       (address->words[2] & mask->words[2]) == prefix->words[2] &&
	       (address->words[1] & mask->words[1]) == prefix->words[1] &&
	       (address->words[0] & mask->words[0]) == prefix->words[0];
}

/* Whom a pod sees that is the backend of a Service which it asked itself. */
static __always_inline bool address_is_service_loopback(const struct ip_address *address,
							bool is_v6)
{
	const volatile struct ip_address *own = is_v6 ? &service_loopback_v6 : &service_loopback_v4;

	return address->words[3] == own->words[3] && address->words[2] == own->words[2] &&
	       address->words[1] == own->words[1] && address->words[0] == own->words[0];
}

/* Is `address` where the network carries pod addresses as they are? */
static __always_inline bool in_native_prefix(const struct ip_address *address, bool is_v6)
{
	if (is_v6)
		return in_prefix(address, &native_routing_v6_address, &native_routing_v6_mask);
	return in_prefix(address, &native_routing_v4_address, &native_routing_v4_mask);
}

#endif
