/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of connections. An element of `connections` holds all that is known of one; `conntrack`
 * leads to it from its tuple in either direction. So both directions have one state, and a
 * connection is ended by one step: its element's state. What `conntrack` still says of it then is
 * void, since it names the former state.
 *
 * Room is shared by owners: pods, the node, outsiders. While a quarter of the table is free all
 * take what they need. Beyond, an owner above its share (three quarters, divided by those who have
 * any) ends one of its own for each that it opens, and those below their share may end its. Who
 * goes is the best of a sample: not answered before closed before standing, and the longest silent
 * of these. So a flood ends its own flows, and no other's.
 */
#ifndef CILIATE_CONNECTION_TABLE_H
#define CILIATE_CONNECTION_TABLE_H

#include "../config.h"
#include "../maps.h"
#include "address.h"
#include "flow_state.h"
#include "compiler.h"
#include "repeat.h"

/*
 * Elements that are looked at for one new connection: at most, where a kernel cannot loop, and
 * where one could go.
 */
enum { CONNECTION_TRIES_MAX = 64, CONNECTION_TRIES_OLD = 12, CONNECTION_SAMPLE = 6 };

/* Nothing that was written before is seen by another CPU after `state` is. */
static __always_inline void connection_set_state(struct connection *connection, __u32 state)
{
	__sync_lock_test_and_set(&connection->state, state);
}

static __always_inline struct connection *connection_at(__u32 index)
{
	return bpf_map_lookup_elem(&connections, &index);
}

static __always_inline struct connection_owner *owner_of(__u32 owner)
{
	return bpf_map_lookup_elem(&connection_owners, &owner);
}

static __always_inline bool connection_is_live(__u32 state)
{
	return (state & CONNECTION_PHASES) == CONNECTION_LIVE;
}

/* An element may stay long after its connection: nothing is decided by it then. */
static __always_inline bool connection_is_over(const struct connection *connection)
{
	return READ_ONCE(connection->expires_ns) < now_ns();
}

/* The other end, as the local one knows it. */
static __always_inline const struct ip_address *asked_address(const struct connection *connection)
{
	return connection->flags & CONNECTION_SERVICE ? &connection->asked : &connection->remote;
}

static __always_inline __be16 asked_port(const struct connection *connection)
{
	return connection->flags & CONNECTION_SERVICE ? connection->asked_port
						      : connection->remote_port;
}

/* Key of the entry for what the local end sends, as its own program sees it. */
static __always_inline void tuple_fill_out(struct tuple *key, const struct connection *connection)
{
	key->source = connection->local;
	key->destination = *asked_address(connection);
	key->source_port = connection->local_port;
	key->destination_port = asked_port(connection);
	key->protocol = connection->protocol;
	key->direction = TUPLE_OUT;
	key->pad = 0;
}

/* Key of the entry for what the remote sends. */
static __always_inline void tuple_fill_in(struct tuple *key, const struct connection *connection)
{
	key->source = connection->remote;
	key->destination = connection->seen;
	key->source_port = connection->remote_port;
	key->destination_port = connection->seen_port;
	key->protocol = connection->protocol;
	key->direction = TUPLE_IN;
	key->pad = 0;
}

static __always_inline struct tuple tuple_out(const struct connection *connection)
{
	struct tuple key;

	tuple_fill_out(&key, connection);
	return key;
}

static __always_inline struct tuple tuple_in(const struct connection *connection)
{
	struct tuple key;

	tuple_fill_in(&key, connection);
	return key;
}

/*
 * Does the element hold the connection that `key` names? An entry of `conntrack` may be used for
 * another tuple while it is read, so what it led to is compared.
 */
static __always_inline bool connection_has(const struct connection *connection,
					   const struct tuple *key)
{
	if (connection->protocol != key->protocol)
		return false;
	if (key->direction == TUPLE_OUT)
		return connection->local_port == key->source_port &&
		       asked_port(connection) == key->destination_port &&
		       address_equal(&connection->local, &key->source) &&
		       address_equal(asked_address(connection), &key->destination);
	return connection->remote_port == key->source_port &&
	       connection->seen_port == key->destination_port &&
	       address_equal(&connection->remote, &key->source) &&
	       address_equal(&connection->seen, &key->destination);
}

/* The connection of a packet, by its tuple and direction; also one whose time has passed. */
static __always_inline struct connection *connection_find(const struct tuple *key)
{
	const struct connection_ref *ref = bpf_map_lookup_elem(&conntrack, key);
	struct connection *connection;
	__u32 state;

	if (!ref)
		return NULL;
	state = READ_ONCE(ref->state);
	connection = connection_at(READ_ONCE(ref->place));
	if (!connection || READ_ONCE(connection->state) != state || !connection_is_live(state) ||
	    !connection_has(connection, key))
		return NULL;
	return connection;
}

/* Takes the entry at `key` out, unless it is another connection's by now. */
static __always_inline void conntrack_remove(const struct tuple *key, __u32 index, __u32 state)
{
	const struct connection_ref *ref = bpf_map_lookup_elem(&conntrack, key);

	if (ref && READ_ONCE(ref->place) == index && READ_ONCE(ref->state) == state)
		bpf_map_delete_elem(&conntrack, key);
}

static __always_inline void owner_add(__u32 number)
{
	struct connection_owner *owner = owner_of(number), *all = owner_of(OWNER_ALL);

	if (!owner || !all)
		return;
	__sync_fetch_and_add(&all->held, 1);
	if (!__sync_fetch_and_add(&owner->held, 1))
		__sync_fetch_and_add(&all->holders, 1);
}

static __always_inline void owner_remove(__u32 number)
{
	struct connection_owner *owner = owner_of(number), *all = owner_of(OWNER_ALL);

	if (!owner || !all)
		return;
	__sync_fetch_and_add(&all->held, -1);
	if (__sync_fetch_and_add(&owner->held, -1) == 1)
		__sync_fetch_and_add(&all->holders, -1);
}

/*
 * The key of the entry that connection_end takes out on this CPU. Whatever calls it may be deep in
 * functions already, and all their stacks together are 512 octets.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tuple);
} ended_tuples SEC(".maps");

/*
 * End the connection that the element held in `state`, which says LIVE. False: another CPU was
 * first. The element is free when this returns.
 */
__verified_once int connection_end(__u32 index, __u32 state)
{
	struct connection *connection = connection_at(index);
	__u32 first = 0;
	struct tuple *key = bpf_map_lookup_elem(&ended_tuples, &first);

	if (dry_run || !key || !connection || !connection_is_live(state) ||
	    __sync_val_compare_and_swap(&connection->state, state, state + 1) != state)
		return false;
	tuple_fill_out(key, connection);
	conntrack_remove(key, index, state);
	tuple_fill_in(key, connection);
	conntrack_remove(key, index, state);
	/* Taken, not read: connection_hand_over may be giving it to another owner. */
	owner_remove(__sync_lock_test_and_set(&connection->owner, OWNER_COUNT));
	connection_set_state(connection, state + 2); /* FREE, the next life */
	return true;
}

/* An element that nobody could get yet: MAKING, with no entry in `conntrack`. */
static __always_inline void connection_discard(struct connection *connection)
{
	owner_remove(connection->owner);
	connection_set_state(connection, connection->state - CONNECTION_MAKING);
}

/* From now on `to` answers for a connection of `from`; nothing where it is not `from`'s. */
static __always_inline void connection_hand_over(struct connection *connection, __u32 from,
						 __u32 to)
{
	if (__sync_val_compare_and_swap(&connection->owner, from, to) != from)
		return;
	owner_remove(from);
	owner_add(to);
}

/*
 * How much a connection is worth; the one with least goes first. Who is not answered, then who is
 * closed, then who stands; of these the longest silent.
 */
enum connection_worth { WORTH_UNANSWERED = 0, WORTH_CLOSED = 1, WORTH_STANDS = 2 };

enum { WORTH_SHIFT = 62 };

static __always_inline __u64 connection_worth(const struct connection *connection)
{
	__u32 flags = READ_ONCE(connection->flags);
	__u64 worth = WORTH_STANDS;

	if (!flow_stands(flags))
		worth = WORTH_UNANSWERED;
	else if (flow_is_closed(flags))
		worth = WORTH_CLOSED;
	return worth << WORTH_SHIFT | READ_ONCE(connection->expires_ns);
}

/* The connection that is worth least, of those considered. */
struct victim {
	__u64 worth;
	__u32 place;
	__u32 state;
};

static __always_inline void victim_clear(struct victim *victim)
{
	victim->worth = ~0ULL;
	victim->place = 0;
	victim->state = 0;
}

static __always_inline bool victim_exists(const struct victim *victim)
{
	return victim->worth != ~0ULL;
}

static __always_inline enum connection_worth victim_worth(const struct victim *victim)
{
	return victim->worth >> WORTH_SHIFT;
}

static __always_inline void victim_consider(struct victim *victim,
					    const struct connection *connection, __u32 state)
{
	__u64 worth = connection_worth(connection);

	if (worth >= victim->worth)
		return;
	victim->worth = worth;
	victim->place = connection->place;
	victim->state = state;
}

/* End `victim`, and count it as ended before its time. */
static __always_inline bool victim_end(const struct victim *victim)
{
	const struct connection *connection = connection_at(victim->place);
	struct connection_owner *owner;

	if (!connection)
		return false;
	owner = owner_of(READ_ONCE(connection->owner));
	if (!connection_end(victim->place, victim->state))
		return false;
	if (owner)
		__sync_fetch_and_add(&owner->evicted, 1);
	return true;
}

/* What an owner may take, and from whom. */
struct allowance {
	__u32 owner;
	__u32 share; /* connections that nobody takes from it */
	bool scarce; /* less than a quarter is free */
	bool above; /* the owner has its share, and more is scarce: it pays with its own */
};

static __always_inline struct allowance allowance_of(__u32 number)
{
	const struct connection_owner *owner = owner_of(number), *all = owner_of(OWNER_ALL);
	__u32 limit = connections_max - connections_max / 4;
	struct allowance allowance = {.owner = number};

	if (!owner || !all)
		return allowance;
	allowance.share = limit / (READ_ONCE(all->holders) + 1);
	allowance.scarce = READ_ONCE(all->held) >= limit;
	allowance.above = allowance.scarce && READ_ONCE(owner->held) >= allowance.share;
	return allowance;
}

/* May the owner end `connection` to make room for its own? */
static __always_inline bool may_take_from(const struct allowance *allowance,
					  const struct connection *connection)
{
	__u32 other = READ_ONCE(connection->owner);
	const struct connection_owner *owner;

	if (!allowance->scarce)
		return false;
	if (other == allowance->owner || allowance->above)
		return other == allowance->owner;
	owner = owner_of(other);
	return owner && READ_ONCE(owner->held) > allowance->share;
}

/* Make a free element, seen in `state`, the caller's, in phase MAKING. False: it is another's. */
static __always_inline bool connection_claim(__u32 index, __u32 state, __u32 owner)
{
	struct connection *connection = connection_at(index);

	if (!connection || state & CONNECTION_PHASES ||
	    __sync_val_compare_and_swap(&connection->state, state, state + CONNECTION_MAKING) !=
		    state)
		return false;
	connection->place = index;
	connection->owner = owner;
	owner_add(owner);
	return true;
}

/* The state of an element as it is found; what has passed its time is ended first. */
static __always_inline __u32 connection_look(struct connection *connection, __u32 index)
{
	__u32 state = READ_ONCE(connection->state);

	if (connection_is_live(state) && connection_is_over(connection) &&
	    connection_end(index, state))
		state += 2;
	return state;
}

/* The search for an element. */
struct room {
	struct allowance allowance;
	struct victim victim;
	__u32 spare; /* a free element that is for those who do not have their share */
	__u32 spare_state;
	__s32 found; /* index of the claimed element, or -1 */
	__u32 next; /* the element behind the one that was claimed last */
};

/*
 * The search of this CPU. In a map, where the verifier knows nothing of what stands there: on the
 * stack it would follow each value that a step may leave, through all the steps behind.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct room);
} rooms SEC(".maps");

static __always_inline struct room *room_here(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&rooms, &first);
}

/* Looks at one element, chosen by chance. 1: it suffices. A callback of bpf_loop. */
static long room_look(__u64 try, void *context)
{
	__u32 index = (__u64)bpf_get_prandom_u32() * connections_max >> 32;
	struct connection *connection = connection_at(index);
	struct room *room = room_here();
	__u32 state;

	(void)context;
	if (!connection || !room)
		return 1;
	state = connection_look(connection, index);
	if (!(state & CONNECTION_PHASES)) {
		if (!room->allowance.above &&
		    connection_claim(index, state, room->allowance.owner)) {
			room->found = index;
			return 1;
		}
		room->spare = index;
		room->spare_state = state;
	} else if (connection_is_live(state) && may_take_from(&room->allowance, connection)) {
		victim_consider(&room->victim, connection, state);
	}
	return room->allowance.above && try >= CONNECTION_SAMPLE &&
	       victim_worth(&room->victim) < WORTH_STANDS;
}

/*
 * Claims the element behind the last one of this CPU, if that is free. Connections that are opened
 * one after the other lie side by side then, and their packets touch the same few pages; spread
 * over the table, each costs a miss of the TLB besides those of the cache.
 */
static __always_inline bool room_claim_next(struct room *room)
{
	__u32 index = room->next;
	const struct connection *connection = connection_at(index);

	if (!connection || room->allowance.above ||
	    !connection_claim(index, READ_ONCE(connection->state), room->allowance.owner))
		return false;
	room->found = index;
	return true;
}

/*
 * An element for a new connection of `owner`, in phase MAKING: its index, or -1 where there is no
 * room that it may take. It is the one behind the last if that is free, else elements are looked at
 * by chance, so that no owner's pattern of opening blocks another.
 */
__verified_once int connection_take(__u32 owner)
{
	struct room *room = room_here();

	if (!room)
		return -1;
	room->allowance = allowance_of(owner);
	room->spare_state = CONNECTION_PHASES; /* none */
	room->found = -1;
	victim_clear(&room->victim);
	if (!room_claim_next(room))
		REPEAT(CONNECTION_TRIES_MAX, CONNECTION_TRIES_OLD, room_look, NULL);
	if (room->found >= 0) {
		room->next = room->found + 1;
		return room->found;
	}
	if (!victim_exists(&room->victim)) /* above its share, but none of its own was met */
		return connection_claim(room->spare, room->spare_state, owner) ? (int)room->spare
									       : -1;
	if (!victim_end(&room->victim) ||
	    !connection_claim(room->victim.place, room->victim.state + 2, owner))
		return -1;
	return room->victim.place;
}

/* A connection that could not be made, on the account of its owner. */
static __always_inline void owner_refuse(__u32 number)
{
	struct connection_owner *owner = owner_of(number);

	if (owner)
		__sync_fetch_and_add(&owner->refused, 1);
}

#endif
