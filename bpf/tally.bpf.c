/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * tally: counts the ports that connections hold, by remote and by owner, into `port_users`.
 * Attached nowhere: the agent runs it (BPF_PROG_TEST_RUN) on a packet that holds a struct tally
 * behind its Ethernet header, some elements of `connections` at a time. It is a program because a
 * table of half a million would cost a reader outside of the kernel a second, and this costs it a
 * twentieth.
 *
 * The room of `port_users` is bounded, so in a big table only remotes count that have many ports. A
 * first walk counts in buckets by a hash of the remote, the sieve; a second one enters those whose
 * bucket has enough. Nobody can aim at a bucket: each round has a hash of its own.
 */
#include "lib/connection_table.h"
#include "lib/repeat.h"

enum { TALLY_AT = ETHERNET_HEADER_BYTES };

enum { SIEVE_BITS = 15, SIEVE_BUCKETS = 1 << SIEVE_BITS };

/* Bucket -> ports of remotes in it (low half), and the round that counted them (high half). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SIEVE_BUCKETS);
	__type(key, __u32);
	__type(value, __u64);
} port_sieve SEC(".maps");

static __always_inline __u32 mixed(__u32 hash, __u32 word)
{
	hash = (hash ^ word) * 0x9e3779b1; /* 2^32 by the golden ratio, as hashes of numbers use */
	return hash ^ hash >> 15;
}

static __always_inline __u64 *bucket_of(const struct port_user *user, __u32 round)
{
	__u32 hash = mixed(round, (__u32)user->remote_port << 16 | user->protocol);

	for (int word = 0; word < 4; word++)
		hash = mixed(hash, user->remote.words[word]);
	for (int word = 0; word < 4; word++)
		hash = mixed(hash, user->address.words[word]);
	hash >>= 32 - SIEVE_BITS;
	return bpf_map_lookup_elem(&port_sieve, &hash);
}

static __always_inline __u32 bucket_ports(__u64 bucket, __u32 round)
{
	return bucket >> 32 == round ? (__u32)bucket : 0;
}

/*
 * Does an element hold a port of the node, and for whom? One that is being changed meanwhile is of
 * nobody.
 */
static __always_inline bool port_user_of(struct port_user *user,
					 const struct connection *connection)
{
	__u32 state = READ_ONCE(connection->state);

	if (!connection_is_live(state) || connection_is_over(connection))
		return false;
	user->address = connection->seen;
	user->remote = connection->remote;
	user->remote_port = connection->remote_port;
	user->protocol = connection->protocol;
	user->owner = READ_ONCE(connection->owner);
	if (user->owner != OWNER_NODE && address_equal(&user->address, &connection->local))
		return false; /* it keeps its own address */
	return READ_ONCE(connection->state) == state;
}

/* Count one more port of `user`. False: there is no room for another user. */
static __always_inline bool count_port(const struct port_user *user)
{
	__u32 *ports = bpf_map_lookup_elem(&port_users, user), one = 1;

	if (!ports)
		return !bpf_map_update_elem(&port_users, user, &one, BPF_NOEXIST);
	++*ports; /* one run at a time: the agent sees to that */
	return true;
}

/* Looks at the next element. 1: there is none. A callback of bpf_loop. */
static long tally_one(__u64 number, struct tally *tally)
{
	const struct connection *connection = connection_at(tally->next);
	struct port_user user = {}, all;
	__u64 *bucket;

	(void)number;
	if (!connection)
		return 1;
	tally->next++;
	if (!port_user_of(&user, connection))
		return 0;
	tally->ports++;
	if (tally->least != 1) {
		bucket = bucket_of(&user, tally->round);
		if (!bucket)
			return 0;
		if (!tally->least) {
			*bucket = (__u64)tally->round << 32 |
				  (bucket_ports(*bucket, tally->round) + 1);
			return 0;
		}
		if (bucket_ports(*bucket, tally->round) < tally->least)
			return 0;
	}
	all = user;
	all.owner = OWNER_ALL;
	if (count_port(&all)) {
		tally->entered++;
		count_port(&user);
	}
	return 0;
}

SEC("tc")
int tally(struct __sk_buff *skb)
{
	struct tally tally;

	if (bpf_skb_load_bytes(skb, TALLY_AT, &tally, sizeof(tally)))
		return 1;
	REPEAT(SWEEP_STEP, SWEEP_STEP_OLD, tally_one, &tally);
	return bpf_skb_store_bytes(skb, TALLY_AT, &tally, sizeof(tally), 0) ? 1 : 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
