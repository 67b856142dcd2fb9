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

/* 0 -> the device of the tunnel to other nodes. Written by the agent, read where packets leave. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tunnel_device);
} tunnel_devices SEC(".maps");

/* Addresses of Services that this node announces on layer 2. Written by the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct l2_responder_key);
	__type(value, struct l2_responder);
} l2_responders SEC(".maps");

/* 0 -> until when they are answered (bpf_ktime_get_ns). Renewed by the agent while it lives. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} l2_alive SEC(".maps");

/*
 * ifindex of a node device -> the addresses pods get behind it. Behind the tunnel's these are the
 * router's, for what comes from outside. Written by the agent.
 */
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

/* Endpoint * 2 + the lowest bit of the generation -> the class of a pod that policies select. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, __u32);
	__type(value, __u32);
} masquerade_classes SEC(".maps");

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

/*
 * Connections that are masqueraded or opened from outside. Elements are handed out by owner. Mapped
 * into no process: what may be begins at a page's beginning, so each element fills three cache
 * lines and no part of more.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
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

/*
 * Who holds how many ports toward which remote, as the last run of `tally` found. Filled by it and
 * emptied by the agent; packets know nothing of it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, struct port_user);
	__type(value, __u32);
} port_users SEC(".maps");

/* Direction IN without the node's port -> searches for one that failed. Written on failure only. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct tuple);
	__type(value, struct port_failure);
} port_failures SEC(".maps");

/* Ports of datagrams that travel in pieces. Written by the program that sees the first piece. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct fragment_key);
	__type(value, struct fragment_ports);
} fragments SEC(".maps");

/*
 * Services. Backends are entered before what leads to them, and removed after it. Written by the
 * agent, read where a process connects (socket) and by packets that no socket program saw.
 */
enum { SERVICES_DEFAULT = 65536 };

/* A Service's address and port -> its backends. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SERVICES_DEFAULT);
	__type(key, struct frontend_key);
	__type(value, struct frontend);
} frontends SEC(".maps");

/* Number of a set of backends -> how many there are, and how one is chosen. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SERVICES_DEFAULT);
	__type(key, __u32);
	__type(value, struct service);
} services SEC(".maps");

/* A place in a set -> the backend there. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SERVICES_DEFAULT);
	__type(key, struct service_slot_key);
	__type(value, struct backend);
} service_slots SEC(".maps");

/* A backend of a set with sessionAffinity -> its place. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SERVICES_DEFAULT);
	__type(key, struct affinity_slot_key);
	__type(value, __u32);
} affinity_slots SEC(".maps");

/* A client inside the cluster and a set -> the backend it had last. Written by the programs. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SERVICES_DEFAULT);
	__type(key, struct affinity_key);
	__type(value, struct affinity);
} service_affinities SEC(".maps");

/* The same for clients outside: forged sources push out only each other. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SERVICES_DEFAULT);
	__type(key, struct affinity_key);
	__type(value, struct affinity);
} outside_affinities SEC(".maps");

/* Sources that a set's LoadBalancer addresses answer, or do not. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SERVICES_DEFAULT);
	__type(key, struct source_range_key);
	__type(value, __u8);
} source_ranges SEC(".maps");

/* A part of a set's Maglev table -> the slots there. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SERVICES_DEFAULT);
	__type(key, struct maglev_key);
	__type(value, struct maglev_chunk);
} maglev_tables SEC(".maps");

/*
 * Endpoint, or OWNER_NODE -> 1 where packets of it were translated for a Service: only then are its
 * others looked up for it. Written by the programs.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OWNER_COUNT);
	__type(key, __u32);
	__type(value, __u32);
} service_ends SEC(".maps");

/* Programs that go on with packets of Services, by enum service_program. Written by the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, SERVICE_PROGRAM_COUNT);
	__type(key, __u32);
	__type(value, __u32);
} service_programs SEC(".maps");

/* 0 -> 1 where an address of a Service lies inside a native routing CIDR. Written by the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} service_in_native SEC(".maps");

/*
 * Whom a socket asked for and whom it got: told to the process that asks for its peer. In the
 * socket itself, so it goes with it, and no process can push out what another's needs.
 */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct socket_peers);
} socket_peers SEC(".maps");

/* 0 -> what a program that was loaded with `dry_run` said of the last packet. Read by the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct decision);
} decisions SEC(".maps");

/* Packets and bytes by reason and attach point. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DROP_REASON_COUNT *ATTACH_POINT_COUNT);
	__type(key, __u32);
	__type(value, struct metric);
} metrics SEC(".maps");

/*
 * What happened to packets and sockets, for whoever listens: records of struct event. Filled by the
 * programs without a wake-up, emptied by the agent by the clock; one that finds no room is counted.
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 21);
} events SEC(".maps");

/* 0 -> what is told. Written by the agent, read by all programs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct event_settings);
} event_settings SEC(".maps");

/* 0 -> until when events are paid for (bpf_ktime_get_ns). Written by the programs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} event_budget SEC(".maps");

/* 0 -> how many events there were, and how many of them found no room. Written by the programs. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct event_counts);
} event_counts SEC(".maps");

/* A flow by its name -> what was told of it. Written by the programs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FLOW_TRACES_MAX);
	__type(key, __u32);
	__type(value, struct flow_trace);
} flow_traces SEC(".maps");

#endif
