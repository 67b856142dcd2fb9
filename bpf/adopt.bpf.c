/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * adopt: enters a connection that the host's stack translates, as one of the node's own, so that
 * nobody gets its port while the stack goes on with it. Attached nowhere: the agent runs it
 * (BPF_PROG_TEST_RUN) on a packet that holds a struct adoption behind its Ethernet header.
 */
#include "lib/connections.h"

enum { ADOPTION_AT = ETHERNET_HEADER_BYTES };

/* Takes an element and both entries for the connection; false: it is known, or there is no room. */
static __always_inline bool adopt_connection(struct __sk_buff *skb, const struct adoption *adoption)
{
	const struct opener node = {.owner = OWNER_NODE, .identity = IDENTITY_HOST};
	struct packet packet = {
		.tuple =
			{
				.source = adoption->seen,
				.destination = adoption->remote,
				.source_port = adoption->seen_port,
				.destination_port = adoption->remote_port,
				.protocol = adoption->protocol,
			},
		.tcp_flags = TCP_FLAG_ACK_BIT,
	};
	struct connection *connection = connection_begin(skb, &packet, &node, 0);
	struct connection_ref ref;
	struct tuple key;

	if (!connection)
		return false;
	/* It stands: the stack knows better than a first packet would say. */
	connection->flags |= CONNECTION_SEEN_REPLY;
	connection->expires_ns = now_ns() + lifetime_ns(adoption->protocol, connection->flags);
	ref = ref_of(connection);
	key = tuple_in(connection);
	if (bpf_map_update_elem(&conntrack, &key, &ref, BPF_NOEXIST)) {
		connection_discard(connection);
		return false;
	}
	connection_publish(connection);
	return true;
}

SEC("tc")
int adopt(struct __sk_buff *skb)
{
	struct adoption adoption;

	if (bpf_skb_load_bytes(skb, ADOPTION_AT, &adoption, sizeof(adoption)))
		return 1;
	adoption.adopted = adopt_connection(skb, &adoption);
	return bpf_skb_store_bytes(skb, ADOPTION_AT, &adoption, sizeof(adoption), 0) ? 1 : 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
