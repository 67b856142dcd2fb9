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
	DROP_WRITE_ERROR = 141,
	DROP_UNKNOWN_L3_TARGET = 150,
	DROP_STALE_OR_UNROUTABLE_IP = 151,
	DROP_L3_CHECKSUM = 153,
	DROP_L4_CHECKSUM = 154,
	DROP_CONNECTION_NOT_MADE = 155,
	DROP_INVALID_IPV6_EXTENSION = 156,
	DROP_UNKNOWN_ENDPOINT = 165,
	DROP_UNSUPPORTED_L2_PROTOCOL = 166,
	DROP_NAT_NO_MAPPING = 167,
	DROP_NAT_UNSUPPORTED_PROTOCOL = 168,
	DROP_FRAGMENT_NOT_FOUND = 175,
	DROP_FORBIDDEN_ICMPV6 = 176,
	DROP_VLAN_NOT_ALLOWED = 182,
	DROP_REASON_COUNT = 256,
};

/* The attach point that counted a packet. */
enum attach_point {
	FROM_POD = 0,
	TO_POD = 1,
	FROM_UPLINK = 2,
	TO_UPLINK = 3,
	ATTACH_POINT_COUNT = 4,
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
};

/* Value of `ipcache`: identity and node of an address, cluster-wide. */
struct ipcache_entry {
	__u32 identity;
	__u32 flags; /* enum ipcache_flag */
	struct ip_address node; /* InternalIP of the node that has it; zero when unknown */
};
_Static_assert(sizeof(struct ipcache_entry) == 24, "layout of a pinned map");

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
	MASQUERADE_CHOICES_MAX = 16, /* of one prefix; so no packet looks at more */
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
	CONNECTION_CLOSING_ORIGINAL = 2, /* FIN or RST from the side that opened it */
	CONNECTION_CLOSING_REPLY = 4,
	CONNECTION_SEEN_REPLY = 8, /* the other side answered, and not with a RST */
	CONNECTION_ASSURED = 16, /* who opened it went on after the answer */
	CONNECTION_RESET = 32, /* a RST was seen */
	CONNECTION_INBOUND = 64, /* opened from outside, toward the pod's own address */
};

/* Who answers for a connection's place in the table. Below: an endpoint's number. */
enum connection_owner_number {
	OWNER_NODE = 65536,
	OWNER_OUTSIDE = 65537, /* what outsiders opened and did not yet prove to be theirs */
	OWNER_ALL = 65538, /* the sum of all */
	OWNER_COUNT = 65539,
};

/*
 * Element of `connections`. OUT: local -> remote becomes seen -> remote. IN: remote -> seen becomes
 * remote -> local. Where nothing is translated, `seen` is `local`. Ports of an echo are its
 * identifier at the side that asked and 0 at the other.
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
	__u16 service; /* services', once they come */
	__u8 pad_end[6];
};
_Static_assert(sizeof(struct connection) == 128, "layout of a pinned map");

/* Element of `connection_owners`: what one owner has of `connections`. */
struct connection_owner {
	__u32 held; /* connections it has now */
	__u32 holders; /* OWNER_ALL: owners that have any */
	__u64 evicted; /* of its connections, ended before their time to make room */
	__u64 refused; /* connections it could not open */
};
_Static_assert(sizeof(struct connection_owner) == 24, "layout of a pinned map");

/* Which connections a sweep ends. */
enum sweep_flag {
	SWEEP_OVER = 1, /* those whose time has passed */
	SWEEP_ORPHANS = 2, /* those whose local end is no address of this node any more */
	SWEEP_MATCHING = 4, /* those between `local` and `remote` */
};

/* What the agent asks of the program `sweep`, and is answered. */
struct sweep {
	struct ip_address local; /* all zero: any */
	struct ip_address remote; /* all zero: any */
	__u32 next; /* element of `connections` to go on with */
	__u32 what; /* enum sweep_flag */
	__u32 ended; /* connections so far */
	__u32 pad;
};
_Static_assert(sizeof(struct sweep) == 48, "what the agent packs");

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

/* Value of `metrics`, per CPU, keyed by reason * ATTACH_POINT_COUNT + attach point. */
struct metric {
	__u64 packets;
	__u64 bytes;
};
_Static_assert(sizeof(struct metric) == 16, "layout of a pinned map");

#endif
