/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every map of the datapath: kind, flags and default capacity stand here and nowhere else.
 * All are pinned by name and outlive the agent.
 */
#ifndef CILIATE_MAPS_H
#define CILIATE_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "config.h"

/* ifindex of a pod's host side -> its endpoint. Written by the agent, read by from_pod, to_pod. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct interface);
} interfaces SEC(".maps");

/* Address -> local endpoint or the host itself. Written by the agent, read by all programs. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct ip_address);
	__type(value, struct endpoint);
} endpoints SEC(".maps");

/* Prefix -> identity and node, cluster-wide. Written by the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 512000);
	__type(key, struct prefix_key);
	__type(value, struct ipcache_entry);
} ipcache SEC(".maps");

/*
 * Destination of a route that has an MTU of its own -> that MTU in bytes, from the IP header.
 * Written by the agent, read where packets are sent to the next hop; mostly empty.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct prefix_key);
	__type(value, __u32);
} route_mtus SEC(".maps");

/* ifindex of a node device -> the addresses pods get behind it. Written by the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct masquerade_address);
} masquerade_addresses SEC(".maps");

/*
 * Prefix -> what the masquerade rules say, for each class of pods and of two generations. A hash of
 * prefixes, whose lengths are searched by halves: an LPM trie grows deeper with every doubling. The
 * agent fills the tables of the generation that is not in force, puts it into force by one write of
 * `masquerade_generations`, and empties the other: no packet meets half of a list.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct masquerade_rule_key);
	__type(value, struct masquerade_rule);
} masquerade_rules SEC(".maps");

/* Family (IPv6: 512) + lowest bit of the generation * 256 + number -> a look of the search. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct masquerade_look);
} masquerade_looks SEC(".maps");

/* Rules that are for some packets into a prefix: see struct masquerade_choice. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct masquerade_choice);
} masquerade_choices SEC(".maps");

/* 0 -> the generation of masquerade rules in force. Written by the agent, read by from_pod,
 * to_uplink. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct masquerade_generation);
} masquerade_generations SEC(".maps");

/*
 * How packets are found to be of a connection: its tuple in each direction -> its element of
 * `connections`. Inserting where none stands decides who gets a port, and which of two CPUs opened
 * a connection. Not LRU: what goes is decided by shares (lib/connection_table.h).
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * CONNECTIONS_DEFAULT);
	__type(key, struct tuple);
	__type(value, struct connection_ref);
} conntrack SEC(".maps");

/* Connections that are masqueraded or opened from outside. Elements are handed out by owner. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CONNECTIONS_DEFAULT);
	__type(key, __u32);
	__type(value, struct connection);
} connections SEC(".maps");

/* Owner, enum connection_owner_number -> how much of `connections` is its. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OWNER_COUNT);
	__type(key, __u32);
	__type(value, struct connection_owner);
} connection_owners SEC(".maps");

/* Ports of datagrams that travel in pieces. Written by the program that sees the first piece. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct fragment_key);
	__type(value, struct fragment_ports);
} fragments SEC(".maps");

/* Packets and bytes by reason and attach point. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DROP_REASON_COUNT *ATTACH_POINT_COUNT);
	__type(key, __u32);
	__type(value, struct metric);
} metrics SEC(".maps");

#endif
