/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sweep: ends connections that are over, that are nobody's any more, or that somebody asks to be
 * ended. Attached nowhere: the agent runs it (BPF_PROG_TEST_RUN) on a packet that holds a struct
 * sweep behind its Ethernet header, some elements at a time. It is a program because only programs
 * can end a connection in one step, which another CPU may be using.
 */
#include "lib/connection_table.h"
#include "lib/port_range.h"
#include "lib/repeat.h"

enum { SWEEP_AT = ETHERNET_HEADER_BYTES };

/* Does a request for some connections mean this one? */
static __always_inline bool is_asked_for(const struct sweep *sweep,
					 const struct connection *connection)
{
	return (address_is_zero(&sweep->local) ||
		address_equal(&sweep->local, &connection->local)) &&
	       (address_is_zero(&sweep->remote) ||
		address_equal(&sweep->remote, &connection->remote));
}

/*
 * Has its local end left the node? A client outside has never been on it, whose connection to a
 * Service this node passes on to a backend elsewhere.
 */
static __always_inline bool is_orphan(const struct connection *connection)
{
	__u32 flags = READ_ONCE(connection->flags);

	if (flags & CONNECTION_SERVICE && !(flags & CONNECTION_INBOUND) &&
	    READ_ONCE(connection->owner) >= OWNER_OUTSIDE)
		return false;
	return !bpf_map_lookup_elem(&endpoints, &connection->local);
}

/* Is it one of datagrams to a Service whose backend has gone? The next datagram gets another. */
static __always_inline bool lost_its_backend(const struct sweep *sweep,
					     const struct connection *connection)
{
	__u32 flags = READ_ONCE(connection->flags);
	bool inbound = flags & CONNECTION_INBOUND;

	return flags & CONNECTION_SERVICE && connection->protocol == IPPROTO_UDP &&
	       sweep->remote_port == (inbound ? connection->local_port : connection->remote_port) &&
	       address_equal(&sweep->remote, inbound ? &connection->local : &connection->remote);
}

static __always_inline bool must_end(const struct sweep *sweep, const struct connection *connection)
{
	return (sweep->what & SWEEP_OVER && connection_is_over(connection)) ||
	       (sweep->what & SWEEP_ORPHANS && is_orphan(connection)) ||
	       (sweep->what & SWEEP_MATCHING && is_asked_for(sweep, connection)) ||
	       (sweep->what & SWEEP_BACKEND && lost_its_backend(sweep, connection));
}

/*
 * End a connection, and offer its port where searches toward its remote have failed: with few free
 * ones chance does not find it.
 */
static __always_inline bool end_and_offer(const struct connection *connection, __u32 index,
					  __u32 state)
{
	struct port_failure *failure;
	struct tuple key;
	__be16 port;

	tuple_fill_in(&key, connection);
	port = key.destination_port;
	if (!connection_end(index, state))
		return false;
	key.destination_port = 0;
	failure = bpf_map_lookup_elem(&port_failures, &key);
	if (failure && nat_port_in_range(port))
		failure->freed_port = port;
	return true;
}

/* Looks at the next element. 1: there is none. A callback of bpf_loop. */
static long sweep_one(__u64 number, struct sweep *sweep)
{
	__u32 index = sweep->next;
	const struct connection *connection = connection_at(index);
	__u32 state;

	(void)number;
	if (!connection)
		return 1;
	sweep->next = index + 1;
	state = READ_ONCE(connection->state);
	if (connection_is_live(state) && must_end(sweep, connection))
		sweep->ended += end_and_offer(connection, index, state);
	return 0;
}

SEC("tc")
int sweep(struct __sk_buff *skb)
{
	struct sweep sweep;

	if (bpf_skb_load_bytes(skb, SWEEP_AT, &sweep, sizeof(sweep)))
		return 1;
	REPEAT(SWEEP_STEP, SWEEP_STEP_OLD, sweep_one, &sweep);
	return bpf_skb_store_bytes(skb, SWEEP_AT, &sweep, sizeof(sweep), 0) ? 1 : 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
