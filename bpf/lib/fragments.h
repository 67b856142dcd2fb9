/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Datagrams that travel in pieces: only the first has a transport header, so its ports are kept in
 * `fragments` while it passes, for the later ones.
 */
#ifndef CILIATE_FRAGMENTS_H
#define CILIATE_FRAGMENTS_H

#include "../maps.h"
#include "packet.h"

/* `source` is that of the packet, or what it will be when the packet leaves. */
static __always_inline struct fragment_key fragment_key_of(const struct packet *packet,
							   const struct ip_address *source)
{
	struct fragment_key key = {
		.source = *source,
		.destination = packet->tuple.destination,
		.id = packet->fragment_id,
		.protocol = packet->tuple.protocol,
	};

	return key;
}

/* Give a later piece the ports of the first (network order). 0, or 175 when none are known. */
static __noinline int load_fragment_ports(struct packet *packet)
{
	struct fragment_key key = fragment_key_of(packet, &packet->tuple.source);
	struct fragment_ports *ports = bpf_map_lookup_elem(&fragments, &key);

	if (!ports)
		return DROP_FRAGMENT_NOT_FOUND;
	packet->tuple.source_port = ports->source_port;
	packet->tuple.destination_port = ports->destination_port;
	packet->l4_kind = L4_PORTS;
	if (packet->tuple.protocol == IPPROTO_ICMP || packet->tuple.protocol == IPPROTO_ICMPV6)
		packet->l4_kind = L4_ECHO_REQUEST;
	return 0;
}

/* Keep the ports of a first piece that leaves, or came, with this source and source port. */
static __noinline void store_fragment_ports_as(const struct packet *packet,
					       const struct ip_address *source, __be16 source_port)
{
	struct fragment_key key = fragment_key_of(packet, source);
	struct fragment_ports ports = {
		.source_port = source_port,
		.destination_port = packet->tuple.destination_port,
	};

	bpf_map_update_elem(&fragments, &key, &ports, BPF_ANY);
}

/* Keep the ports of a first piece; needs its transport header parsed. */
static __always_inline void store_fragment_ports(const struct packet *packet)
{
	store_fragment_ports_as(packet, &packet->tuple.source, packet->tuple.source_port);
}

#endif
