/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the datapath and the agent both know: keys and values of every map, and the enums that
 * appear in them. No logic. tools/generate_layout.py reads these types from BTF and writes
 * src/ciliate/datapath/layout.py, so no layout is typed twice.
 *
 * Byte order: __be16 and __be32 are network order, everything else is the host's. Addresses of
 * both families are 16 octets; IPv4 is mapped (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2), so one
 * map and one code path serve both.
 */
#ifndef CILIATE_ABI_H
#define CILIATE_ABI_H

#include <linux/types.h>

struct ip_address {
	__be32 words[4];
};
_Static_assert(sizeof(struct ip_address) == 16, "layout of pinned maps");

/* Numeric identities every cluster knows (Cilium's numbers). */
enum reserved_identity {
	IDENTITY_UNKNOWN = 0,
	IDENTITY_HOST = 1,
	IDENTITY_WORLD = 2,
	IDENTITY_UNMANAGED = 3,
	IDENTITY_HEALTH = 4,
	IDENTITY_INIT = 5,
	IDENTITY_REMOTE_NODE = 6,
	IDENTITY_KUBE_APISERVER = 7,
	IDENTITY_INGRESS = 8,
	IDENTITY_WORLD_IPV4 = 9,
	IDENTITY_WORLD_IPV6 = 10,
};

/* Why a packet went no further; FORWARDED counts those that did. Cilium's numbers. */
enum drop_reason {
	FORWARDED = 0,
	DROP_INVALID_DESTINATION_MAC = 131,
	DROP_INVALID_SOURCE_IP = 132,
	DROP_INVALID_PACKET = 134,
	DROP_UNSUPPORTED_L3_PROTOCOL = 139,
	DROP_MISSED_TAIL_CALL = 140,
	DROP_WRITE_ERROR = 141,
	DROP_NO_TUNNEL_KEY = 147,
	DROP_UNKNOWN_L3_TARGET = 150,
	DROP_STALE_OR_UNROUTABLE_IP = 151,
	DROP_L3_CHECKSUM = 153,
	DROP_L4_CHECKSUM = 154,
	DROP_CONNECTION_NOT_MADE = 155,
	DROP_INVALID_IPV6_EXTENSION = 156,
	DROP_NO_BACKEND = 158,
	DROP_NO_TUNNEL_ENDPOINT = 160,
	DROP_UNKNOWN_ENDPOINT = 165,
	DROP_UNSUPPORTED_L2_PROTOCOL = 166,
	DROP_NAT_NO_MAPPING = 167,
	DROP_NAT_UNSUPPORTED_PROTOCOL = 168,
	DROP_ENCAPSULATION_PROHIBITED = 170,
	DROP_INVALID_IDENTITY = 171,
	DROP_UNKNOWN_SENDER = 172,
	DROP_CLUSTER_IP_FROM_OUTSIDE = 174,
	DROP_FRAGMENT_NOT_FOUND = 175,
	DROP_FORBIDDEN_ICMPV6 = 176,
	DROP_NOT_IN_SOURCE_RANGE = 177,
	DROP_VLAN_NOT_ALLOWED = 182,
	DROP_REASON_COUNT = 256,
};

/* The attach point that counted a packet. */
enum attach_point {
	FROM_POD = 0,
	TO_POD = 1,
	FROM_UPLINK = 2,
	TO_UPLINK = 3,
	FROM_TUNNEL = 4,
	FROM_HOST = 5,
	ATTACH_POINT_COUNT = 6,
};

enum interface_flag {
	/* what the pod sends goes on through the host's stack: its rules must see both directions
	 */
	INTERFACE_STACK_ROUTED = 1,
	/* another plugin made it: ARP, discovery and groups are for that plugin's network */
	INTERFACE_CHAINED = 2,
};

/* Value of `interfaces`: the endpoint behind a host-side pod interface, keyed by its ifindex. */
struct interface {
	struct ip_address ipv4; /* mapped; all zero when the endpoint has none */
	struct ip_address ipv6; /* all zero when the endpoint has none */
	__u32 identity;
	__u16 endpoint_id;
	__u8 node_mac[6]; /* of the host side: who answers ARP for the router */
	__u32 flags; /* enum interface_flag */
};
_Static_assert(sizeof(struct interface) == 48, "layout of a pinned map");

enum endpoint_flag {
	ENDPOINT_HOST = 1, /* an address of the node itself: deliver to the stack */
	ENDPOINT_STACK_ROUTED = 2, /* a pod whose packets go through the host's stack both ways */
};

/* Key of `l2_responders`: an address that the node announces, and the device where it does. */
struct l2_responder_key {
	struct ip_address address; /* IPv4 is mapped */
	__u32 ifindex;
};
_Static_assert(sizeof(struct l2_responder_key) == 20, "layout of a pinned map");

/* Value of `l2_responders`: what is answered, and how often it was. */
struct l2_responder {
	__u64 answered; /* written by the programs */
	__u8 mac[6]; /* the device's own */
	__u16 reserved;
};
_Static_assert(sizeof(struct l2_responder) == 16, "layout of a pinned map");

/* Value of `endpoints`: who has this address on this node, keyed by struct ip_address. */
struct endpoint {
	__u32 ifindex; /* host side of the pod's veth; the host's own: the device that has it */
	__u32 identity;
	__u16 endpoint_id;
	__u16 flags; /* enum endpoint_flag */
	__u8 mac[6]; /* of the pod's interface */
	__u8 node_mac[6]; /* of the host side */
};
_Static_assert(sizeof(struct endpoint) == 24, "layout of a pinned map");

/* Key of `ipcache` and `route_mtus`: prefix_length counts all 128 bits, an IPv4 /24 is 96 + 24. */
struct prefix_key {
	__u32 prefix_length;
	struct ip_address address;
};
_Static_assert(sizeof(struct prefix_key) == 20, "layout of a pinned map");

enum ipcache_flag {
	IPCACHE_CLUSTER = 1, /* pod or pod CIDR of this cluster: never masqueraded toward it */
	IPCACHE_TUNNEL = 2, /* another node's, and reached through a tunnel to `node` */
};

/* Value of `ipcache`: identity and node of an address, cluster-wide. */
struct ipcache_entry {
	__u32 identity;
	__u32 flags; /* enum ipcache_flag */
	struct ip_address node; /* InternalIP of the node that has it; zero when unknown */
};
_Static_assert(sizeof(struct ipcache_entry) == 24, "layout of a pinned map");

/* Value of `tunnel_devices`: the device whose packets travel in UDP to other nodes. */
struct tunnel_device {
	struct ip_address ipv4; /* of this node, where others send to; all zero: nowhere */
	struct ip_address ipv6;
	__u32 ifindex; /* 0: there is none */
	__u32 mtu; /* of what travels inside, from its IP header on */
	__be16 port; /* UDP, of all nodes */
	__u16 pad;
};
_Static_assert(sizeof(struct tunnel_device) == 44, "layout of a pinned map");

/* Value of `masquerade_addresses`: addresses pods get behind a device, keyed by its ifindex. */
struct masquerade_address {
	struct ip_address ipv4; /* all zero: the device has no address of that family */
	struct ip_address ipv6;
};
_Static_assert(sizeof(struct masquerade_address) == 32, "layout of a pinned map");

/* What a rule says of the source address of a flow. */
enum masquerade_action {
	MASQUERADE_NO_RULE = 0, /* none is for the packet: the leaving device's address */
	MASQUERADE_KEEP = 1, /* the pod's own */
	MASQUERADE_DEVICE = 2, /* that of the device it leaves by */
	MASQUERADE_ADDRESS = 3, /* another one of the node's */
};

enum masquerade_bound {
	MASQUERADE_CHOICES_MAX = 64, /* of one prefix; so no packet looks at more */
	MASQUERADE_LENGTH_MAX = 128, /* of a prefix */
	MASQUERADE_LOOKS_MAX = 8, /* of one search: halves of 129 lengths */
	MASQUERADE_LOOKS_BITS = 8, /* looks of a family and generation, by their number */
	MASQUERADE_NO_LOOK = 255,
};

enum masquerade_rule_flag {
	MASQUERADE_AGENT_PREFIX = 1, /* ip-masq-agent's list has this very prefix */
	MASQUERADE_BY_CHOICE = 2, /* ask `masquerade_choices`: it depends, or names an address */
	MASQUERADE_MARKER = 4, /* no rule's prefix: longer ones of rules lie inside */
};

/*
 * Key of `masquerade_rules`. A table is the rules of one class of pods in one generation: class *
 * 2 + the lowest bit of the generation. What is behind the prefix is zero.
 */
struct masquerade_rule_key {
	__u32 prefix_length; /* over all 128 bits: an IPv4 /24 is 96 + 24 */
	__u32 table;
	struct ip_address address;
};
_Static_assert(sizeof(struct masquerade_rule_key) == 24, "layout of a pinned map");

/*
 * Value of `masquerade_looks`: one look of the search by halves of the lengths that prefixes of a
 * family have. Where this length has an entry, longer ones may have one, else only shorter ones.
 */
struct masquerade_look {
	struct ip_address mask; /* of that length */
	__u8 length; /* MASQUERADE_NO_LOOK: there are no prefixes */
	__u8 longer; /* the look after a hit, and after a miss; or MASQUERADE_NO_LOOK */
	__u8 shorter;
	__u8 pad;
};
_Static_assert(sizeof(struct masquerade_look) == 20, "layout of a pinned map");

/* Value of `masquerade_rules`: what the rules say of destinations in a prefix. */
struct masquerade_rule {
	__u32 rule; /* its place in the ordered list; BY_CHOICE: the key of the first choice */
	__u16 action; /* enum masquerade_action */
	__u16 flags; /* enum masquerade_rule_flag */
};
_Static_assert(sizeof(struct masquerade_rule) == 8, "layout of a pinned map");

/*
 * Value of `masquerade_choices`: a rule that is for some packets into a prefix. The first one that
 * fits decides; the next one is 2 keys on: the lowest bit is the generation's.
 */
struct masquerade_choice {
	struct ip_address address; /* of MASQUERADE_ADDRESS */
	__u32 rule;
	__u16 port_first; /* host order, both inclusive; a packet without ports has port 0 */
	__u16 port_last;
	__u16 action; /* enum masquerade_action */
	__u8 protocol; /* IPPROTO_*; 0: any, to any port */
	__u8 is_last;
};
_Static_assert(sizeof(struct masquerade_choice) == 28, "layout of a pinned map");

enum masquerade_generation_flag {
	MASQUERADE_AGENT_ON = 1, /* ip-masq-agent has a row, were it an empty one */
};

/* Value of `masquerade_generations`: the rules in force; the lowest bit says which tables. */
struct masquerade_generation {
	__u32 number;
	__u32 flags; /* enum masquerade_generation_flag */
};
_Static_assert(sizeof(struct masquerade_generation) == 8, "layout of a pinned map");

enum tuple_direction {
	TUPLE_OUT = 0,
	TUPLE_IN = 1,
};

/* Key of `conntrack`: a connection as the wire shows it in `direction`, at the node's devices. */
struct tuple {
	struct ip_address source;
	struct ip_address destination;
	__be16 source_port; /* ICMP echo: the identifier, when the source asked */
	__be16 destination_port; /* ICMP echo: the identifier, when the destination asked */
	__u8 protocol; /* IPPROTO_* */
	__u8 direction; /* enum tuple_direction */
	__u16 pad; /* zero: hashed with the rest of the key */
};
_Static_assert(sizeof(struct tuple) == 40, "layout of a pinned map");

/*
 * Value of `conntrack`: which element of `connections`, and the state it must be in; in any other
 * it is another connection's by now.
 */
struct connection_ref {
	__u32 place;
	__u32 state;
};
_Static_assert(sizeof(struct connection_ref) == 8, "layout of a pinned map");

/*
 * Where an element of `connections` is in its life: the low bits of its state. What is above them
 * counts its lives.
 */
enum connection_phase {
	CONNECTION_FREE = 0,
	CONNECTION_MAKING = 1, /* one CPU fills it */
	CONNECTION_LIVE = 2,
	CONNECTION_ENDING = 3, /* one CPU takes its entries out of `conntrack` */
	CONNECTION_PHASES = 3, /* mask */
};

enum connection_flag {
	CONNECTION_SEEN_NON_SYN = 1,
	CONNECTION_CLOSING_ORIGINAL = 2, /* FIN from the side that opened it */
	CONNECTION_CLOSING_REPLY = 4,
	CONNECTION_SEEN_REPLY = 8, /* the other side answered, and not with a RST */
	CONNECTION_ASSURED = 16, /* who opened it went on after the answer */
	CONNECTION_RESET_ORIGINAL = 32, /* RST from the side that opened it, and nothing since */
	CONNECTION_INBOUND = 64, /* opened from outside, toward the pod's own address */
	CONNECTION_RESET_REPLY = 256,
	CONNECTION_RULE_ADDRESS = 128, /* `seen` is a rule's, not that of the device it leaves by */
	CONNECTION_SERVICE = 512, /* a Service's: all four of its ends are what was decided */
	CONNECTION_CLIENTS = 1024, /* opened by a client outside, to a Service */
	CONNECTION_OTHER_PORT = 2048, /* its client's port is another one for the backend here */
};

/* Who answers for a connection's place in the table. Below: an endpoint's number. */
enum connection_owner_number {
	OWNER_NODE = 65536,
	OWNER_OUTSIDE = 65537, /* what outsiders opened and did not yet prove to be theirs */
	OWNER_SERVICES = 65538, /* what clients outside have at Services of the node */
	OWNER_ALL = 65539, /* the sum of all */
	OWNER_COUNT = 65540,
};

/*
 * Element of `connections`. OUT: local -> asked becomes seen -> remote. IN: remote -> seen becomes
 * asked -> local. Where nothing is translated, `seen` is `local`; `asked` is `remote` but for
 * CONNECTION_SERVICE, where it is the Service's address, as the local end knows it. Ports of an
 * echo are its identifier at the side that asked and 0 at the other.
 */
struct connection {
	/* Who it is between: a cache line that packets read and nobody writes. */
	struct ip_address local; /* a pod of this node, or the node */
	struct ip_address remote;
	struct ip_address seen; /* the local end, as the remote sees it */
	__be16 local_port;
	__be16 remote_port;
	__be16 seen_port;
	__u8 protocol; /* IPPROTO_* */
	__u8 pad;
	__u32 place; /* its own, in `connections` */
	__u32 source_identity; /* of who opened it */
	/* How it is: all that a search for room looks at is in this line. */
	__u64 expires_ns; /* CLOCK_MONOTONIC */
	__u32 state; /* enum connection_phase and the number of its life */
	__u32 owner; /* enum connection_owner_number */
	__u32 flags; /* enum connection_flag */
	__u32 rule; /* which masquerade rule decided */
	__u64 created_ns;
	__u64 packets; /* both directions; 0 where they are not counted */
	__u64 bytes;
	__u32 rules_generation; /* for flows that are decided anew when the rules change */
	__u32 policy_epoch; /* policy's, once it comes */
	__u32 frontend; /* the id of the Service's address */
	__u32 answered; /* TCP from outside: what the opener has to acknowledge; 0: nothing */
	/* What only connections of Services have. */
	struct ip_address asked;
	__be16 asked_port;
	__u16 pad_asked;
	__u32 slot; /* of the backend, when it was chosen */
	__u32 service; /* whose */
	__u8 pad_end[36];
};
_Static_assert(sizeof(struct connection) == 192, "layout of a pinned map");

/* Element of `connection_owners`: what one owner has of `connections`. */
struct connection_owner {
	__u32 held; /* connections it has now */
	__u32 holders; /* OWNER_ALL: owners that have any */
	__u64 evicted; /* of its connections, ended before their time to make room */
	__u64 refused; /* connections it could not open */
};
_Static_assert(sizeof(struct connection_owner) == 24, "layout of a pinned map");

/* What the agent asks of the program `adopt`, and is answered. */
struct adoption {
	struct ip_address seen; /* of the node, as the remote sees it */
	struct ip_address remote;
	__be16 seen_port; /* of an echo its identifier */
	__be16 remote_port; /* of an echo 0 */
	__u8 protocol; /* IPPROTO_* */
	__u8 adopted; /* 1: it was entered now */
	__u8 pad[2];
};
_Static_assert(sizeof(struct adoption) == 40, "what the agent packs");

/* Where it was decided what happens to a packet of a pod, and with which source it leaves. */
enum decision_step {
	DECISION_NONE = 0, /* nowhere: it was dropped before */
	DECISION_POD = 1, /* it is for a pod of this node */
	DECISION_NODE = 2, /* it is for the node itself */
	DECISION_STACK = 3, /* the host's stack routes it */
	DECISION_OFF = 4, /* pods get no address behind the device */
	DECISION_NATIVE = 5, /* inside the native routing CIDR */
	DECISION_CLUSTER = 6, /* a node or pod of the cluster */
	DECISION_CONNECTION = 7, /* its connection is known */
	DECISION_RULE = 8, /* the tables of rules */
	DECISION_ECHO_REPLY = 9, /* an answer to nobody that is known keeps its source */
};

/* Value of `decisions`. */
struct decision {
	struct ip_address seen; /* the source it leaves with; of RULE and CONNECTION */
	__be32 next_hop[4]; /* of that family: ipv4 in the first word */
	__u32 next_hop_family; /* AF_INET, AF_INET6; 0: the kernel's table was not asked */
	__u32 ifindex; /* the device it leaves by */
	__u32 step; /* enum decision_step */
	__u32 reason; /* enum drop_reason */
	__u32 rule; /* of RULE and CONNECTION */
	__u32 generation; /* whose list that is */
	__u32 action; /* enum masquerade_action; of RULE */
	__u32 connection_flags; /* enum connection_flag; of CONNECTION */
	__be16 seen_port; /* of CONNECTION */
	__u16 pad[3];
};
_Static_assert(sizeof(struct decision) == 72, "layout of a pinned map");

/* Which connections a sweep ends. */
enum sweep_flag {
	SWEEP_OVER = 1, /* those whose time has passed */
	SWEEP_ORPHANS = 2, /* those whose local end is no address of this node any more */
	SWEEP_MATCHING = 4, /* those between `local` and `remote` */
	SWEEP_BACKEND = 8, /* datagrams' to Services whose backend is `remote` and its port */
};

/* What the agent asks of the program `sweep`, and is answered. */
struct sweep {
	struct ip_address local; /* all zero: any */
	struct ip_address remote; /* all zero: any */
	__u32 next; /* element of `connections` to go on with */
	__u32 what; /* enum sweep_flag */
	__u32 ended; /* connections so far */
	__be16 remote_port; /* of SWEEP_BACKEND */
	__u16 pad;
};
_Static_assert(sizeof(struct sweep) == 48, "what the agent packs");

/*
 * Key of `port_users`: a remote, as connections through one address of the node reach it, and who
 * holds ports for them. OWNER_ALL: all together.
 */
struct port_user {
	struct ip_address address; /* of the node, as the remote sees it */
	struct ip_address remote;
	__be16 remote_port;
	__u8 protocol; /* IPPROTO_* */
	__u8 pad;
	__u32 owner; /* enum connection_owner_number */
};
_Static_assert(sizeof(struct port_user) == 40, "layout of a pinned map");

/* Value of `port_failures`: searches for a port toward one remote that found none. */
struct port_failure {
	__u64 failed;
	__u64 last_ns; /* CLOCK_MONOTONIC */
	__be16 freed_port; /* of a connection that ended since; 0: none, or it was given */
	__u8 pad[6];
};
_Static_assert(sizeof(struct port_failure) == 24, "layout of a pinned map");

/* What the agent asks of the program `tally`, and is answered. */
struct tally {
	__u32 next; /* element of `connections` to go on with */
	__u32 round; /* a random number: of which round counts in the sieve are */
	__u32 least; /* 0: fill the sieve; 1: enter all; else those of buckets with as many */
	__u32 ports; /* in use, as far as it has come */
	__u32 entered; /* of these, how many `port_users` has */
	__u32 pad;
};
_Static_assert(sizeof(struct tally) == 24, "what the agent packs");

/* Key of `fragments`: a datagram in pieces (RFC 791: source, destination, protocol, id). */
struct fragment_key {
	struct ip_address source;
	struct ip_address destination;
	__be32 id;
	__u8 protocol;
	__u8 pad[3];
};
_Static_assert(sizeof(struct fragment_key) == 40, "layout of a pinned map");

/* Value of `fragments`: the ports its first piece carried. */
struct fragment_ports {
	__be16 source_port;
	__be16 destination_port;
};
_Static_assert(sizeof(struct fragment_ports) == 4, "layout of a pinned map");

/* How a Service is reached. */
enum frontend_type {
	FRONTEND_CLUSTER_IP = 1,
	FRONTEND_NODE_PORT = 2,
	FRONTEND_EXTERNAL_IP = 3,
	FRONTEND_LOAD_BALANCER = 4,
	FRONTEND_HOST_PORT = 5,
};

enum frontend_flag {
	FRONTEND_INSIDE_ONLY = 1, /* no packet from outside is translated */
	FRONTEND_TWO_SCOPES = 2, /* callers inside the cluster have an entry of their own */
	FRONTEND_SOURCE_RANGES = 4, /* from outside: only who is in `source_ranges` */
	FRONTEND_DENY_RANGES = 8, /* only who is not */
	FRONTEND_DROP_IF_EMPTY =
		16, /* from outside, without a backend: dropped, so they try again */
	FRONTEND_LOOPBACK_ONLY = 32, /* a hostPort of 127.0.0.1 or ::1 */
	FRONTEND_UNKNOWN_PORT = 64, /* what no port of this address is for: refused */
};

/* Index of `service_programs`. */
enum service_program {
	SERVE_POD = 0,
	SERVE_OUTSIDE = 1,
	SERVE_OUTSIDE_BARE = 2, /* at devices without Ethernet headers */
	SERVICE_PROGRAM_COUNT = 3,
};

/* Who asks: the two may have other backends (externalTrafficPolicy, internalTrafficPolicy). */
enum frontend_scope {
	SCOPE_OUTSIDE = 0,
	SCOPE_INSIDE = 1,
};

/*
 * Key of `frontends`: a Service's port as its client addresses it. A node port on any address of
 * the node is 0.0.0.0 or ::, which a socket looks up; packets meet an entry of each address. Port 0
 * of protocol 0 is what no port of that address is for.
 */
struct frontend_key {
	struct ip_address address;
	__be16 port;
	__u8 protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 scope; /* enum frontend_scope */
};
_Static_assert(sizeof(struct frontend_key) == 20, "layout of a pinned map");

/* Value of `frontends`. */
struct frontend {
	__u32 id; /* its own, which commands show */
	__u32 service; /* whose backends it has */
	__u16 type; /* enum frontend_type */
	__u16 flags; /* enum frontend_flag */
};
_Static_assert(sizeof(struct frontend) == 12, "layout of a pinned map");

enum service_flag {
	SERVICE_MAGLEV = 1, /* `maglev_tables` has a table of it */
};

/*
 * Value of `services`: one set of backends, which all frontends of a Service's port share that may
 * choose among the same. So a backend that comes or goes is written once.
 */
struct service {
	__u32 backends; /* slots 1 to this are filled */
	__u32 affinity_s; /* sessionAffinity: how long after its last use; 0: none */
	__u32 flags; /* enum service_flag */
};
_Static_assert(sizeof(struct service) == 12, "layout of a pinned map");

/* Key of `service_slots`. */
struct service_slot_key {
	__u32 service;
	__u32 slot; /* from 1 */
};
_Static_assert(sizeof(struct service_slot_key) == 8, "layout of a pinned map");

/* Value of `service_slots`: where a client is sent. */
struct backend {
	struct ip_address address;
	__be16 port;
	__u16 pad;
	__u32 id; /* its own, the same in all services; which commands show */
};
_Static_assert(sizeof(struct backend) == 24, "layout of a pinned map");

/* Key of `affinity_slots`: where a backend of a service with sessionAffinity is, while it is one.
 */
struct affinity_slot_key {
	__u32 service;
	__u32 backend; /* its id */
};
_Static_assert(sizeof(struct affinity_slot_key) == 8, "layout of a pinned map");

/* Key of `service_affinities`: a client by its address, or by its network namespace's cookie. */
struct affinity_key {
	struct ip_address client; /* a cookie: its halves in the first two words, then zero */
	__u32 service;
};
_Static_assert(sizeof(struct affinity_key) == 20, "layout of a pinned map");

/* Value of `service_affinities`. */
struct affinity {
	__u64 last_ns; /* CLOCK_MONOTONIC */
	__u32 backend; /* its id */
	__u32 pad;
};
_Static_assert(sizeof(struct affinity) == 16, "layout of a pinned map");

/* Key of `source_ranges`: prefix_length counts the service's 32 bits and all 128 of an address. */
struct source_range_key {
	__u32 prefix_length;
	__u32 service;
	struct ip_address address;
};
_Static_assert(sizeof(struct source_range_key) == 24, "layout of a pinned map");

enum maglev_bound {
	MAGLEV_CHUNK_BITS = 8, /* slots of a table that one entry of `maglev_tables` holds */
	MAGLEV_CHUNK_SLOTS = 256,
};

/* Key of `maglev_tables`. */
struct maglev_key {
	__u32 service;
	__u32 chunk; /* index in the table >> MAGLEV_CHUNK_BITS */
};
_Static_assert(sizeof(struct maglev_key) == 8, "layout of a pinned map");

/* Value of `maglev_tables`: slots of the service, for a part of its table. */
struct maglev_chunk {
	__u16 slots[MAGLEV_CHUNK_SLOTS];
};
_Static_assert(sizeof(struct maglev_chunk) == 512, "layout of a pinned map");

enum socket_peer_bound {
	SOCKET_PEERS_MAX = 8, /* Services that one socket may talk to in turn, as a resolver does */
};

/*
 * Value of `socket_peers`: whom a socket asked for, and whom it talks to. The newest replaces the
 * oldest.
 */
struct socket_peers {
	struct ip_address frontend[SOCKET_PEERS_MAX];
	struct ip_address backend[SOCKET_PEERS_MAX];
	__be16 frontend_port[SOCKET_PEERS_MAX];
	__be16 backend_port[SOCKET_PEERS_MAX];
	__u32 slot[SOCKET_PEERS_MAX]; /* of the backend, when it was chosen */
	__u32 next; /* the place that is written next */
	__u32 pad;
};
_Static_assert(sizeof(struct socket_peers) == 328, "layout of a pinned map");

/* Value of `metrics`, per CPU, keyed by reason * ATTACH_POINT_COUNT + attach point. */
struct metric {
	__u64 packets;
	__u64 bytes;
};
_Static_assert(sizeof(struct metric) == 16, "layout of a pinned map");

/* What an event is about: Cilium's numbers of messages. */
enum event_kind {
	EVENT_DROP = 1,
	EVENT_LOST = 2, /* no packet's: how many events found no room; made by the agent */
	EVENT_TRACE = 4,
	EVENT_POLICY_VERDICT = 5, /* policy's, once it comes */
	EVENT_SOCKET = 7,
};

/* Where a packet was seen: what EVENT_TRACE is about, by Cilium's numbers. */
enum trace_point {
	TRACE_TO_ENDPOINT = 0,
	TRACE_TO_STACK = 3,
	TRACE_TO_OVERLAY = 4,
	TRACE_FROM_ENDPOINT = 5,
	TRACE_FROM_HOST = 7,
	TRACE_FROM_OVERLAY = 9,
	TRACE_FROM_NETWORK = 10,
	TRACE_TO_NETWORK = 11,
};

/* When a socket's call was seen: what EVENT_SOCKET is about, by Cilium's numbers. */
enum socket_point {
	SOCKET_PRE_FORWARD = 1, /* it asks for a Service */
	SOCKET_POST_FORWARD = 2, /* and gets a backend */
	SOCKET_PRE_REVERSE = 3, /* it is told whom it talks to: the backend */
	SOCKET_POST_REVERSE = 4, /* which becomes the Service */
};

/* What a packet is to its flow, by Cilium's numbers. */
enum trace_reason {
	TRACE_NEW = 0,
	TRACE_ESTABLISHED = 1,
	TRACE_REPLY = 2,
	TRACE_RELATED = 3, /* an ICMP error about it */
	TRACE_UNKNOWN = 5,
};

enum event_flag {
	EVENT_IS_IP = 1, /* else the addresses say nothing */
	EVENT_HAS_ETHERNET = 2,
};

/* Files that packets are dropped in: their names in capitals, "." and "/" as "_". */
enum source_file {
	SOURCE_UNKNOWN = 0,
	SOURCE_FROM_POD_BPF_C = 1,
	SOURCE_TO_POD_BPF_C = 2,
	SOURCE_FROM_UPLINK_BPF_C = 3,
	SOURCE_TO_UPLINK_BPF_C = 4,
	SOURCE_SERVE_POD_BPF_C = 5,
	SOURCE_SERVE_OUTSIDE_BPF_C = 6,
	SOURCE_ADMIT_H = 7,
	SOURCE_ARP_H = 8,
	SOURCE_LEAVE_H = 9,
	SOURCE_NEXT_HOP_H = 10,
	SOURCE_REFUSE_H = 11,
	SOURCE_ROUTE_H = 12,
	SOURCE_SERVE_H = 13,
	SOURCE_SERVICE_OPEN_H = 14,
	SOURCE_FROM_TUNNEL_BPF_C = 15,
	SOURCE_FROM_HOST_BPF_C = 16,
	SOURCE_ENCAPSULATE_H = 17,
	SOURCE_ARRIVE_H = 18,
};

/*
 * Record of the ring `events`: a packet at one place of its way, or a socket's call. All have this
 * one size, so a reader takes them as the columns of a table.
 */
struct event {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	struct ip_address source;
	struct ip_address destination;
	struct ip_address
		seen; /* the source that it leaves with, where that is another; else zero */
	__be16 source_port; /* 0: it has none, or it is not known */
	__be16 destination_port; /* of ICMP: type * 256 + code */
	__u32 source_identity; /* enum reserved_identity, or a pod's */
	__u32 destination_identity;
	__u32 ifindex; /* of the device whose program saw it */
	__u32 bytes; /* of the frame; of EVENT_LOST the number of events */
	__u16 source_endpoint; /* of this node; 0: none */
	__u16 destination_endpoint;
	__u8 kind; /* enum event_kind */
	__u8 about; /* enum trace_point, drop_reason or socket_point */
	__u8 reason; /* enum trace_reason */
	__u8 flags; /* enum event_flag */
	__u8 protocol; /* IPPROTO_* */
	__u8 tcp_flags;
	__be16 seen_port; /* of `seen` */
	__u16 line; /* of a drop: where the program dropped it */
	__u8 file; /* enum source_file */
	__u8 cpu; /* its lowest 8 bits */
	__u8 destination_mac[6];
	__u8 source_mac[6];
	__u64 cookie; /* of the socket */
	__u64 cgroup; /* of the process that calls */
};
_Static_assert(sizeof(struct event) == 120, "what the agent reads");

/* What is told: events cost something, so only what somebody listens to. */
enum event_wanted_flag {
	EVENT_WANTED_DROP = 1,
	EVENT_WANTED_TRACE = 2,
	EVENT_WANTED_SOCKET = 4,
	EVENT_WANTED_WAKE = 8, /* the reader sleeps: each event wakes it */
};

/* How much is left out: Cilium's levels. */
enum aggregation_level {
	AGGREGATION_NONE = 0, /* nothing */
	AGGREGATION_LOWEST = 1, /* packets where they come from */
	AGGREGATION_MEDIUM = 3, /* and those that are no news of their flow */
};

/* Value of `event_settings`. Written by the agent, for all programs at once. */
struct event_settings {
	__u32 wanted; /* enum event_wanted_flag; 0: nobody listens */
	__u32 aggregation; /* enum aggregation_level */
	__u32 interval_ms; /* a flow that goes on is told of so often */
	__u32 tcp_flags; /* each is told of when a flow's direction shows it first */
	__u64 seed; /* nobody knows which flows share a place of `flow_traces` */
	__u64 cost_ns; /* of an event, where events are limited: its part of a second; 0: they are
			  not */
	__u64 burst_ns; /* what can be saved up for events that come at once */
};
_Static_assert(sizeof(struct event_settings) == 40, "layout of a pinned map");

/* Value of `event_counts`, per CPU. */
struct event_counts {
	__u64 told; /* records in the ring */
	__u64 lost; /* those that found no room in it */
};
_Static_assert(sizeof(struct event_counts) == 16, "layout of a pinned map");

enum flow_trace_bound {
	FLOW_TRACES_MAX = 16384, /* flows of which it is known what was told */
	FLOW_TRACE_POINTS = 4, /* of enum trace_point, in one direction */
};

/*
 * Element of `flow_traces`: what was told of a flow, by direction and point. A flow has one place,
 * which it takes from another: that one is then told of once more.
 */
struct flow_trace {
	__u64 name; /* of the flow; 0: nobody's */
	__u32 told_ms[2 * FLOW_TRACE_POINTS];
	__u8 tcp_flags[2 * FLOW_TRACE_POINTS];
	__u8 seen[2 * FLOW_TRACE_POINTS]; /* 1: anything was told */
	__u8 opener; /* the direction that began it, plus 1; 0: it was under way */
	__u8 ended; /* 1: a side has closed or reset it */
	__u8 pad[6];
};
_Static_assert(sizeof(struct flow_trace) == 64, "layout of a pinned map");

#endif
