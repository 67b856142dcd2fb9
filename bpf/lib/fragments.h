/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Datagrams that travel in pieces: only the first has a transport header, so its ports are kept in
 * `fragments` while it passes, for the later ones.
 */
#ifndef CILIATE_FRAGMENTS_H
#define CILIATE_FRAGMENTS_H

#include "../config.h"
#include "../maps.h"
#include "compiler.h"
#include "packet.h"

/* `source` is that of the packet, or what it will be when the packet leaves. */
static __always_inline void fragment_key_fill(struct fragment_key *key, const struct packet *packet,
					      const struct ip_address *source)
{
	key->source = *source;
	key->destination = packet->tuple.destination;
	key->id = packet->fragment_id;
	key->protocol = packet->tuple.protocol;
}

/* Give a later piece the ports of the first (network order). 0, or 175 when none are known. */
__verified_once int load_fragment_ports(struct packet *packet)
{
	struct fragment_ports *ports;
	struct fragment_key key = {};

	if (!packet)
		return DROP_FRAGMENT_NOT_FOUND;
	fragment_key_fill(&key, packet, &packet->tuple.source);
	ports = bpf_map_lookup_elem(&fragments, &key);
	if (!ports)
		return DROP_FRAGMENT_NOT_FOUND;
	packet->tuple.source_port = ports->source_port;
	packet->tuple.destination_port = ports->destination_port;
	packet->l4_kind = L4_PORTS;
	if (packet->tuple.protocol == IPPROTO_ICMP || packet->tuple.protocol == IPPROTO_ICMPV6)
		packet->l4_kind = L4_ECHO_REQUEST;
	return 0;
}

/*
 * Keep the ports of a first piece that leaves, or came, with this source and source port. Whether
 * they are kept.
 */
__verified_once bool store_fragment_ports_as(const struct packet *packet,
					     const struct ip_address *source, __be16 source_port)
{
	struct fragment_ports ports = {.source_port = source_port};
	struct fragment_key key = {};

	if (!packet || !source || dry_run)
		return false;
	fragment_key_fill(&key, packet, source);
	ports.destination_port = packet->tuple.destination_port;
	return !bpf_map_update_elem(&fragments, &key, &ports, BPF_ANY);
}

/* Keep the ports of a first piece; needs its transport header parsed. */
static __always_inline void store_fragment_ports(const struct packet *packet)
{
	store_fragment_ports_as(packet, &packet->tuple.source, packet->tuple.source_port);
}

#endif
