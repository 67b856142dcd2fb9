/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Services, packet by packet: for pods whose sockets no program saw (serve_pod.bpf.c) and for
 * clients outside (serve_outside.bpf.c). The first packet of a flow gets a backend, and an element
 * of `connections` whose four ends say how its packets are translated from then on, both ways:
 *
 *     a pod                 pod -> ClusterIP      becomes  pod, or masqueraded -> backend
 *     outside, backend here client -> node port   becomes  client -> backend
 *     outside, elsewhere    client -> node port   becomes  node -> backend
 *
 * The second is one from outside (CONNECTION_INBOUND), whose local end is the backend; of the other
 * two the local end is who asked.
 */
#ifndef CILIATE_SERVICE_FLOW_H
#define CILIATE_SERVICE_FLOW_H

#include "nat.h"
#include "parse.h"
#include "service.h"
#include "service_end.h"
#include "service_error.h"

static __always_inline bool is_of_service(const struct connection *connection)
{
	return connection->flags & CONNECTION_SERVICE;
}

/* May a packet name a Service? */
static __always_inline bool has_service_port(const struct packet *packet)
{
	return packet->l4_kind == L4_PORTS && packet->tuple.protocol != IPPROTO_SCTP;
}

/* Is the connection's backend still one of its Service's, in the slot it had? */
static __always_inline bool backend_remains(const struct connection *connection)
{
	const struct backend *backend = backend_in(connection->service, connection->slot);
	bool inbound = connection->flags & CONNECTION_INBOUND;

	return backend &&
	       backend->port == (inbound ? connection->local_port : connection->remote_port) &&
	       address_equal(&backend->address, inbound ? &connection->local : &connection->remote);
}

/*
 * Does a SYN get another backend than the connection of its ports? Where that is closed. Where it
 * was never answered, or only seems closed, its backend is asked again while it remains.
 */
static __always_inline bool syn_chooses_anew(const struct connection *connection)
{
	__u32 flags = connection->flags;

	return syn_begins_anew(flags) ||
	       ((flow_is_closed(flags) || !flow_stands(flags)) && !backend_remains(connection));
}

/*
 * Does a flow go on with this packet of who asked? Its backend is kept while it stands, even when
 * that is no endpoint any more: it drains. A flow that ends here is finished.
 */
static __always_inline bool service_goes_on(struct connection *connection,
					    const struct packet *packet)
{
	bool ends =
		connection_is_over(connection) || (is_syn(packet) && syn_chooses_anew(connection));

	if (ends)
		connection_finish(connection);
	return !ends;
}

/*
 * What a pod gets of a backend comes from whom the pod asked, where its packets were translated. 0,
 * also when it is of no such connection, or a drop reason.
 */
static __noinline __unused int restore_asked(struct __sk_buff *skb, struct packet *packet)
{
	struct connection *connection;
	int error;

	if (parse_l4(skb, packet))
		return 0;
	if (packet->l4_kind == L4_ICMP_ERROR) {
		error = error_to_local(skb, packet);
		return error == NAT_MISS ? 0 : error;
	}
	if (!has_service_port(packet))
		return 0;
	connection = connection_of_receiver(packet);
	if (!connection || !is_of_service(connection) || connection->flags & CONNECTION_INBOUND ||
	    connection_is_over(connection))
		return 0;
	connection_touch(skb, connection, packet, true);
	return translate_in(skb, packet, connection);
}

#endif
