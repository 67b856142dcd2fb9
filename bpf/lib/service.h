/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Services: which frontend a client means, and which of its backends it gets. Reads maps and
 * writes those of affinities; sockets (socket.bpf.c) and packets (service_flow.h) both ask here, so
 * a client gets the same answer by either.
 */
#ifndef CILIATE_SERVICE_H
#define CILIATE_SERVICE_H

#include "../config.h"
#include "../maps.h"
#include "address.h"
#include "flow_state.h"
#include "compiler.h"

/* No slot: there is no backend. */
enum { SLOT_NONE = 0 };

static __always_inline const struct service *service_of(const struct frontend *frontend)
{
	__u32 number = frontend->service;

	return bpf_map_lookup_elem(&services, &number);
}

static __always_inline const struct backend *backend_in(__u32 service, __u32 slot)
{
	struct service_slot_key key = {.service = service, .slot = slot};

	return bpf_map_lookup_elem(&service_slots, &key);
}

/*
 * The frontend at exactly this address and port, for a caller in `scope`; NULL: none. An address
 * whose other ports are refused answers for those too, by FRONTEND_UNKNOWN_PORT.
 */
static __always_inline const struct frontend *
frontend_at(const struct ip_address *address, __be16 port, __u8 protocol, enum frontend_scope scope)
{
	struct frontend_key key = {.address = *address, .port = port, .protocol = protocol};
	const struct frontend *frontend = bpf_map_lookup_elem(&frontends, &key);

	if (frontend && scope == SCOPE_INSIDE && frontend->flags & FRONTEND_TWO_SCOPES) {
		key.scope = SCOPE_INSIDE;
		return bpf_map_lookup_elem(&frontends, &key);
	}
	if (frontend)
		return frontend;
	key.port = 0;
	key.protocol = 0;
	return bpf_map_lookup_elem(&frontends, &key);
}

/* Is the port, in network byte order, one of node ports? */
static __always_inline bool is_node_port(__be16 port)
{
	__u16 number = bpf_ntohs(port);

	return number >= node_port_min && number <= node_port_max;
}

/*
 * The frontend that serves this port on every address of the nodes: a node port, or out of that
 * range a pod's hostPort.
 */
static __always_inline const struct frontend *
frontend_of_node(bool is_v6, __be16 port, __u8 protocol, enum frontend_scope scope)
{
	const struct ip_address any = {{0, 0, is_v6 ? 0 : bpf_htonl(0xffff), 0}};
	__u16 type = is_node_port(port) ? FRONTEND_NODE_PORT : FRONTEND_HOST_PORT;
	const struct frontend *frontend = frontend_at(&any, port, protocol, scope);

	return frontend && frontend->type == type ? frontend : NULL;
}

/* Has its last use been less than the service's time ago? */
static __always_inline bool affinity_holds(const struct affinity *affinity, __u32 affinity_s)
{
	return now_ns() - READ_ONCE(affinity->last_ns) < affinity_s * SECOND_NS;
}

/* The slot of the backend that the client had last; SLOT_NONE: it had none, or that is none now. */
static __always_inline __u32 slot_by_affinity(void *clients, const struct affinity_key *key,
					      const struct service *service)
{
	const struct affinity *affinity = bpf_map_lookup_elem(clients, key);
	struct affinity_slot_key place = {.service = key->service};
	const __u32 *slot;

	if (!affinity || !affinity_holds(affinity, service->affinity_s))
		return SLOT_NONE;
	place.backend = affinity->backend;
	slot = bpf_map_lookup_elem(&affinity_slots, &place);
	return slot ? *slot : SLOT_NONE;
}

static __always_inline void note_affinity(void *clients, const struct affinity_key *key,
					  const struct backend *backend)
{
	struct affinity affinity = {.last_ns = now_ns(), .backend = backend->id};

	bpf_map_update_elem(clients, key, &affinity, BPF_ANY);
}

static __always_inline __u32 slot_by_chance(const struct service *service)
{
	return (__u64)bpf_get_prandom_u32() * service->backends / (1ULL << 32) + 1;
}

/* Mixes a number into a hash: the step of MurmurHash3 (x86, 32 bits), the same on every node. */
static __always_inline __u32 hash_step(__u32 hash, __u32 number)
{
	number *= 0xcc9e2d51;
	number = number << 15 | number >> 17;
	hash ^= number * 0x1b873593;
	hash = hash << 13 | hash >> 19;
	return hash * 5 + 0xe6546b64;
}

/*
 * The cell of a Maglev table for a client: by its address, its port and the Service's, not by the
 * address it asked, so that any node that a client's packets reach finds the same backend.
 */
static __always_inline __u32 maglev_cell(const struct ip_address *client, __be16 client_port,
					 __be16 port, __u8 protocol)
{
	__u32 hash = hash_step(0, client->words[0]);

	hash = hash_step(hash, client->words[1]);
	hash = hash_step(hash, client->words[2]);
	hash = hash_step(hash, client->words[3]);
	hash = hash_step(hash, (__u32)bpf_ntohs(port) << 16 | bpf_ntohs(client_port));
	hash = hash_step(hash, protocol);
	hash ^= hash >> 16;
	hash *= 0x85ebca6b;
	hash ^= hash >> 13;
	hash *= 0xc2b2ae35;
	hash ^= hash >> 16;
	return (__u64)hash * maglev_cells >> 32;
}

/* The slot in a cell of the service's Maglev table; SLOT_NONE: it is not written yet. */
static __always_inline __u32 slot_by_maglev(__u32 service, __u32 cell)
{
	struct maglev_key key = {.service = service, .chunk = cell >> MAGLEV_CHUNK_BITS};
	const struct maglev_chunk *chunk = bpf_map_lookup_elem(&maglev_tables, &key);

	return chunk ? chunk->slots[cell & (MAGLEV_CHUNK_SLOTS - 1)] : SLOT_NONE;
}

/*
 * The backend in `slot`. The agent may be moving the last one into a place that became free: then
 * the first is there.
 */
static __always_inline const struct backend *backend_or_first(__u32 service, __u32 slot)
{
	const struct backend *backend = backend_in(service, slot);

	return backend ? backend : backend_in(service, 1);
}

#endif
