/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the node's own processes answer as backends of Services. */
#ifndef CILIATE_SERVICE_ANSWER_H
#define CILIATE_SERVICE_ANSWER_H

#include "parse.h"
#include "service_flow.h"

/*
 * Is it what a process of the node answers, as the backend of a Service, to a client outside? Found
 * before the rest, since such a client may be anywhere.
 */
static __always_inline bool answers_client(struct __sk_buff *skb, struct flow *flow)
{
	struct packet *packet = flow->packet;
	struct connection *connection;

	if (parse_l4(skb, packet) || !has_service_port(packet))
		return false;
	connection = connection_of_sender(packet);
	if (!connection || !is_of_service(connection) || connection_is_over(connection))
		return false;
	connection_touch(skb, connection, packet, true);
	connection_stands_for(connection, OWNER_SERVICES);
	flow->connection = connection;
	return true;
}

#endif
