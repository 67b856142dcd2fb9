/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Opening a flow to a Service: see service_flow.h. */
#ifndef CILIATE_SERVICE_OPEN_H
#define CILIATE_SERVICE_OPEN_H

#include "compiler.h"
#include "ports.h"
#include "refuse.h"
#include "service.h"
#include "service_flow.h"

/* The slot that a new flow of a packet gets; the service has backends. */
static __always_inline __u32 choose_slot(const struct packet *packet, const struct service *service,
					 struct affinity_key *client, enum frontend_scope scope)
{
	const struct tuple *tuple = &packet->tuple;
	__u32 slot = SLOT_NONE;

	if (service->affinity_s)
		slot = scope == SCOPE_OUTSIDE
			       ? slot_by_affinity(&outside_affinities, client, service)
			       : slot_by_affinity(&service_affinities, client, service);
	if (slot == SLOT_NONE && service->flags & SERVICE_MAGLEV)
		slot = slot_by_maglev(client->service,
				      maglev_cell(&tuple->source,
						  service->affinity_s ? 0 : tuple->source_port,
						  tuple->destination_port, tuple->protocol));
	return slot != SLOT_NONE && slot <= service->backends ? slot : slot_by_chance(service);
}

/*
 * The backend of a new flow to `frontend`, with `asked` filled; NULL: there is none. A function of
 * its own: what it asks with stays off its caller's stack.
 */
static __noinline const struct backend *choose_backend(const struct packet *packet,
						       const struct frontend *frontend,
						       enum frontend_scope scope,
						       struct asked *asked)
{
	struct affinity_key client = {.client = packet->tuple.source};
	const struct service *service = service_of(frontend);
	const struct backend *backend;

	if (!service || !service->backends)
		return NULL;
	client.service = frontend->service;
	asked->address = packet->tuple.destination;
	asked->port = packet->tuple.destination_port;
	asked->flags = scope == SCOPE_OUTSIDE ? CONNECTION_CLIENTS : 0;
	asked->frontend = frontend->id;
	asked->service = frontend->service;
	asked->slot = choose_slot(packet, service, &client, scope);
	backend = backend_or_first(frontend->service, asked->slot);
	if (!backend || !service->affinity_s)
		return backend;
	if (scope == SCOPE_OUTSIDE)
		note_affinity(&outside_affinities, &client, backend);
	else
		note_affinity(&service_affinities, &client, backend);
	return backend;
}

/* Tell a client that the Service has no backend. Returns the verdict. */
static __always_inline int refuse_for_backend(struct __sk_buff *skb, const struct flow *flow)
{
	if (!refuses_without_backend)
		return drop(skb, flow, DROP_NO_BACKEND);
	return answer_with_error(skb, flow, DROP_NO_BACKEND, 0);
}

/*
 * Has the backend of a connection that is being made another of this client's port, by another
 * address of the Service? It could not tell the two apart. One that is closed makes way for a SYN.
 */
static __noinline __unused bool backend_has_another(const struct connection *connection,
						    const struct packet *packet)
{
	struct tuple key = tuple_out(connection);
	struct connection *first = connection_find(&key);

	if (!first || connection_is_over(first))
		return false;
	if (is_syn(packet) && syn_begins_anew(first->flags)) {
		connection_finish(first);
		return false;
	}
	return first->seen_port != connection->seen_port ||
	       !address_equal(&first->seen, &connection->seen);
}

/* Ports that are tried for a client whose own its backend knows already: most are free. */
enum { CLIENT_PORT_TRIES = 8 };

/*
 * Let the backend know the client by another port than its own, which the client never sees. False:
 * none was found.
 */
static __noinline __unused bool give_other_port(struct connection *connection)
{
	struct tuple key = tuple_out(connection);

#pragma clang loop unroll(disable)
	for (int try = 0; try < CLIENT_PORT_TRIES; try++) {
		key.destination_port = bpf_htons(0x8000 | bpf_get_prandom_u32());
		if (bpf_map_lookup_elem(&conntrack, &key))
			continue;
		connection->asked_port = key.destination_port;
		connection->flags |= CONNECTION_OTHER_PORT;
		return true;
	}
	return false;
}

/*
 * Open the connection of a client outside, whose packet has the backend, an endpoint of this node,
 * as its destination by now. NULL: there is no room, or no tuple.
 */
static __noinline __unused struct connection *
open_inbound(struct __sk_buff *skb, const struct packet *packet, const struct opener *opener)
{
	struct connection *connection = connection_begin(skb, packet, opener, CONNECTION_INBOUND);
	struct connection_ref ref;
	struct tuple key;

	if (!connection)
		return NULL;
	if (backend_has_another(connection, packet) && !give_other_port(connection)) {
		connection_discard(connection);
		return NULL;
	}
	ref = ref_of(connection);
	tuple_fill_in(&key, connection);
	if (!bpf_map_update_elem(&conntrack, &key, &ref, BPF_NOEXIST))
		return connection_publish(connection);
	connection_discard(connection); /* another CPU was first */
	return connection_find(&key);
}

/*
 * Open the connection of a pod's packet whose destination is the backend by now; a pod that is its
 * own backend is seen by another address. Where its tuple is another's already, the pod gets
 * another port. NULL: there is no room.
 */
static __noinline __unused struct connection *
open_served(struct __sk_buff *skb, const struct packet *packet, const struct opener *opener)
{
	struct connection *connection = connection_begin(skb, packet, opener, 0);
	struct connection_ref ref;
	struct tuple key;
	int index;

	if (!connection)
		return NULL;
	if (address_equal(&packet->tuple.source, &packet->tuple.destination))
		connection->seen = packet->is_v6 ? service_loopback_v6 : service_loopback_v4;
	ref = ref_of(connection);
	tuple_fill_in(&key, connection);
	if (!bpf_map_update_elem(&conntrack, &key, &ref, BPF_NOEXIST))
		return connection_publish(connection);
	index = port_take(skb, connection->place);
	if (index == (int)connection->place)
		return connection_publish(connection);
	connection_discard(connection);
	return index < 0 ? NULL : connection_at(index);
}

#endif
