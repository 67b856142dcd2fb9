/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The book of ports. What a pod sends to one remote needs a port of the node's address that no
 * other connection to that remote has, nor a socket of the node. The entry IN of `conntrack` is the
 * book: who inserts it has the port.
 *
 * Ports toward one remote are shared like the table. Who holds most of those that were found taken,
 * while another holds some, pays with its own; where none is free, an unanswered or closed
 * connection of the largest holder goes, then the packet is dropped.
 */
#ifndef CILIATE_PORTS_H
#define CILIATE_PORTS_H

#include "compiler.h"
#include "connections.h"
#include "port_range.h"

/*
 * Ports that are tried for one connection: at most, where a kernel cannot loop, and after how many
 * it is said who holds most.
 */
enum { PORT_TRIES_MAX = 512, PORT_TRIES_OLD = 40, PORT_SAMPLE = 32 };

/*
 * Has a socket of the node this port, for the connection's remote or for all? Then its packets
 * would go to a pod. An echo's identifier is bound nowhere.
 */
static __always_inline bool socket_has_port(struct __sk_buff *skb, const struct tuple *in)
{
	bool is_v6 = !address_is_mapped(&in->source);
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	__u32 size = is_v6 ? sizeof(tuple.ipv6) : sizeof(tuple.ipv4);

	if (is_v6) {
		__builtin_memcpy(tuple.ipv6.saddr, &in->source, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, &in->destination, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = in->source_port;
		tuple.ipv6.dport = in->destination_port;
	} else {
		tuple.ipv4.saddr = in->source.words[3];
		tuple.ipv4.daddr = in->destination.words[3];
		tuple.ipv4.sport = in->source_port;
		tuple.ipv4.dport = in->destination_port;
	}
	if (in->protocol == IPPROTO_TCP)
		socket = bpf_skc_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	else if (in->protocol == IPPROTO_UDP)
		socket = bpf_sk_lookup_udp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	else
		return false;
	if (!socket)
		return false;
	bpf_sk_release(socket);
	return true;
}

/* How a search for a port ended. */
enum port_result {
	PORT_NONE, /* not yet */
	PORT_TAKEN, /* the port of `key` is the connection's */
	PORT_KNOWN, /* this very connection is in the book, under the index `known` */
};

/* A search for a port, and what it has seen of those who hold the ports it tried. */
struct port_search {
	struct tuple key; /* IN; its destination port is the one that is tried */
	struct connection_ref ref; /* of the connection, as it will be */
	struct victim own; /* of the searching owner */
	struct victim largest; /* of the one that holds most, by majority vote */
	struct port_failure failure; /* the first one of a remote */
	struct ip_address local; /* the connection's */
	struct ip_address asked;
	__be16 local_port;
	__be16 asked_port;
	__u16 fixed; /* no other port will do */
	__u16 port_min; /* of those to choose from, host order */
	__u32 owner; /* who searches */
	__u32 candidate; /* owner that leads the vote */
	__u32 lead;
	__u32 taken;
	__u32 taken_by_own;
	__u32 known;
	__u32 result; /* enum port_result */
};

/* The search of this CPU: too big for the stack, and one packet is looked at at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct port_search);
} port_searches SEC(".maps");

static __always_inline struct port_search *port_search_here(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&port_searches, &first);
}

/* Note that `holder`, in `state`, has a port that was tried. */
static __always_inline void port_search_note(struct port_search *search,
					     const struct connection *holder, __u32 state)
{
	__u32 owner = READ_ONCE(holder->owner);

	search->taken++;
	if (owner == search->owner) {
		search->taken_by_own++;
		victim_consider(&search->own, holder, state);
	}
	if (!search->lead) {
		search->candidate = owner;
		victim_clear(&search->largest);
	}
	if (owner != search->candidate) {
		search->lead--;
		return;
	}
	search->lead++;
	victim_consider(&search->largest, holder, state);
}

/* Does the searching owner hold more than its share, where ports are short? */
static __always_inline bool port_search_is_greedy(const struct port_search *search)
{
	__u32 own = search->taken_by_own, others = search->taken - own;

	return search->taken >= PORT_SAMPLE * 3 / 4 && own > others && others;
}

/*
 * Is it time to take a port from someone, by what the sample says? Hardly any is free and the
 * largest holder has unanswered ones; or the searching owner holds more than its share: three
 * quarters are taken, half of these are its, and somebody else has some.
 */
static __always_inline bool port_search_is_over(const struct port_search *search)
{
	if (search->taken >= PORT_SAMPLE - 1 && victim_worth(&search->largest) == WORTH_UNANSWERED)
		return true;
	return port_search_is_greedy(search);
}

/*
 * Whose port is taken when the search found none, or was over: nobody misses one of a connection
 * that is closed or was never answered; the node may take any. NULL: nobody's.
 */
static __always_inline const struct victim *port_victim(const struct port_search *search)
{
	const struct victim *victim = &search->largest;

	if (search->taken_by_own > search->taken - search->taken_by_own)
		victim = &search->own;
	if (!victim_exists(victim) ||
	    (victim_worth(victim) == WORTH_STANDS && search->owner != OWNER_NODE))
		return NULL;
	return victim;
}

/* Enter the port that is tried where it is nobody's, nor a socket's. */
static __always_inline bool port_enter(struct __sk_buff *skb, struct port_search *search)
{
	if (bpf_map_update_elem(&conntrack, &search->key, &search->ref, BPF_NOEXIST))
		return false;
	if (search->owner == OWNER_NODE || !socket_has_port(skb, &search->key)) {
		search->result = PORT_TAKEN;
		return true;
	}
	bpf_map_delete_elem(&conntrack, &search->key); /* ours: only who inserts it removes it */
	return false;
}

static __always_inline __be16 port_by_chance(const struct port_search *search)
{
	__u32 range = (__u32)snat_port_max - search->port_min + 1;

	return bpf_htons(search->port_min + ((bpf_get_prandom_u32() >> 16) * range >> 16));
}

/*
 * Tries one port, and names the next. 1: the search is over. One of a connection whose time has
 * passed is free. A callback of bpf_loop; the context is where `skb` is.
 */
static long port_try(__u64 try, struct __sk_buff **skb)
{
	struct port_search *search = port_search_here();
	const struct connection *holder;
	__u32 state;

	if (!search || port_enter(*skb, search))
		return 1;
	holder = connection_find(&search->key);
	if (holder) { /* else it is taken, or given back, at this moment */
		state = READ_ONCE(holder->state);
		if (connection_is_over(holder)) {
			connection_end(holder->place, state);
			if (port_enter(*skb, search))
				return 1;
		} else if (holder->local_port == search->local_port &&
			   asked_port(holder) == search->asked_port &&
			   address_equal(&holder->local, &search->local) &&
			   address_equal(asked_address(holder), &search->asked)) {
			search->known = holder->place;
			search->result = PORT_KNOWN;
			return 1;
		} else {
			port_search_note(search, holder, state);
		}
	}
	search->key.destination_port = port_by_chance(search);
	return search->fixed || (try == PORT_SAMPLE && port_search_is_over(search));
}

/* Take the port of the one that can best be missed, if there is any. */
static __always_inline bool port_seize(struct __sk_buff *skb, struct port_search *search)
{
	const struct victim *victim = port_victim(search);
	const struct connection *holder;

	if (search->fixed || !victim)
		return false;
	holder = connection_at(victim->place);
	if (!holder)
		return false;
	search->key.destination_port = holder->seen_port;
	return victim_end(victim) && port_enter(skb, search);
}

/*
 * The last resort of a search that found nothing by chance: a port toward its remote that was freed
 * since one failed (sweep.bpf.c). Where there is none either, the search counts as failed.
 */
static __always_inline bool port_last_resort(struct __sk_buff *skb, struct port_search *search)
{
	struct port_failure *known;

	search->key.destination_port = 0;
	known = bpf_map_lookup_elem(&port_failures, &search->key);
	if (!known) {
		search->failure.failed = 1;
		search->failure.last_ns = now_ns();
		bpf_map_update_elem(&port_failures, &search->key, &search->failure, BPF_NOEXIST);
		return false;
	}
	if (known->freed_port && !search->fixed && !port_search_is_greedy(search)) {
		search->key.destination_port = known->freed_port;
		known->freed_port = 0;
		if (port_enter(skb, search))
			return true;
	}
	__sync_fetch_and_add(&known->failed, 1);
	known->last_ns = now_ns();
	return false;
}

/* Set up a search for `connection`; its own port is the first to be tried. */
static __always_inline void port_search_begin(struct port_search *search,
					      const struct connection *connection)
{
	tuple_fill_in(&search->key, connection);
	search->ref = ref_of(connection);
	victim_clear(&search->own);
	victim_clear(&search->largest);
	search->local = connection->local;
	search->local_port = connection->local_port;
	search->asked = *asked_address(connection);
	search->asked_port = asked_port(connection);
	search->fixed = connection->protocol == IPPROTO_SCTP; /* its CRC32c covers the ports */
	search->owner = connection->owner;
	search->lead = 0;
	search->taken = 0;
	search->taken_by_own = 0;
	search->result = PORT_NONE;
	search->port_min = connection->owner == OWNER_OUTSIDE ? service_port_min : snat_port_min;
	search->key.destination_port = connection->local_port;
	if (!search->fixed && (!nat_port_in_range(connection->local_port) ||
			       bpf_ntohs(connection->local_port) < search->port_min))
		search->key.destination_port = port_by_chance(search);
}

/*
 * Take a port for the connection at `index`, which is being made and has everything but the port.
 * Its own is kept when it is free. Others are tried by chance, so that what is found taken is a
 * fair sample. Returns the index, or that under which this very connection is in the book already,
 * or -1 where no port is to be had.
 */
__verified_once int port_take(struct __sk_buff *skb, __u32 index)
{
	struct connection *connection = connection_at(index);
	struct port_search *search = port_search_here();

	if (!connection || !search)
		return -1;
	port_search_begin(search, connection);
	REPEAT(PORT_TRIES_MAX, PORT_TRIES_OLD, port_try, &skb);
	if (search->result == PORT_KNOWN)
		return search->known;
	if (search->result == PORT_NONE && !port_seize(skb, search) &&
	    !port_last_resort(skb, search))
		return -1;
	connection->seen_port = search->key.destination_port;
	return index;
}

#endif
