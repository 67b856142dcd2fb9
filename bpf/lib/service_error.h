/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors about packets of connections to Services, whose two ends know each other by other
 * addresses. Both functions change the error and `packet` together; results are those of nat.h, and
 * NAT_ONWARD leaves the error with the addresses by which it goes on.
 */
#ifndef CILIATE_SERVICE_ERROR_H
#define CILIATE_SERVICE_ERROR_H

#include "nat.h"

/* The connection to a Service that an error is about, quoted in quotes; NULL: none. */
static __noinline __unused struct connection *connection_of_error(struct __sk_buff *skb,
								  const struct packet *packet,
								  enum tuple_direction direction)
{
	struct quoted *quoted = quoted_here();
	struct connection *connection;
	struct tuple key;

	if (!quoted)
		return NULL;
	__builtin_memset(quoted, 0, sizeof(*quoted));
	if (!parse_quoted(skb, packet, quoted) ||
	    !address_equal(&quoted->packet.tuple.source, &packet->tuple.destination))
		return NULL;
	key = tuple_reversed(&quoted->packet.tuple);
	key.direction = direction;
	connection = connection_find(&key);
	if (!connection || !asks_service(connection) || connection_is_over(connection))
		return NULL;
	return connection;
}

/*
 * An error about what the local end sent: it quotes whom that asked for. What the backend itself
 * says is said by the Service; to a client outside all is, since it knows nobody behind.
 */
static __noinline __unused int error_to_local(struct __sk_buff *skb, struct packet *packet)
{
	struct connection *connection = connection_of_error(skb, packet, TUPLE_IN);
	struct quoted *quoted = quoted_here();
	int error = 0, onward;

	if (!connection || !quoted)
		return NAT_MISS;
	onward = is_clients(connection);
	if (!nat_keeps(connection))
		error = rewrite_icmp_error(skb, packet, quoted, REWRITE_DESTINATION,
					   &connection->local, connection->local_port);
	packet->tuple.destination = connection->local;
	if (!error)
		error = rewrite_quoted(skb, packet, quoted, REWRITE_DESTINATION, &connection->asked,
				       connection->asked_port);
	if (!error && (onward || address_equal(&packet->tuple.source, &connection->remote))) {
		error = rewrite_outer(skb, packet, REWRITE_SOURCE, &connection->asked);
		packet->tuple.source = connection->asked;
	}
	return error ? error : onward;
}

/*
 * An error about what a client outside was answered, by whoever is between it and this node: for
 * the backend elsewhere, which sent that to this node.
 */
static __noinline __unused int error_to_backend(struct __sk_buff *skb, struct packet *packet)
{
	struct connection *connection = connection_of_error(skb, packet, TUPLE_OUT);
	struct quoted *quoted = quoted_here();
	int error;

	if (!connection || !quoted || !is_clients(connection))
		return NAT_MISS;
	error = rewrite_icmp_error(skb, packet, quoted, REWRITE_DESTINATION, &connection->remote,
				   connection->remote_port);
	if (error)
		return error;
	packet->tuple.destination = connection->remote;
	error = rewrite_icmp_error(skb, packet, quoted, REWRITE_SOURCE, &connection->seen,
				   connection->seen_port);
	packet->tuple.source = connection->seen;
	return error ? error : NAT_ONWARD;
}

#endif
