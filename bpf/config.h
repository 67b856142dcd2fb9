/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Settings of the programs: constants the loader fills in before loading, so that the verifier
 * drops the branches a configuration does not need. One object file serves every configuration.
 */
#ifndef CILIATE_CONFIG_H
#define CILIATE_CONFIG_H

#include <linux/types.h>

#include "abi.h"

/* Destinations inside are reached with the pod's own address. A zero mask: no such prefix. */
const volatile struct ip_address native_routing_v4_address;
const volatile struct ip_address native_routing_v4_mask;
const volatile struct ip_address native_routing_v6_address;
const volatile struct ip_address native_routing_v6_mask;

const volatile __u8 masquerade_v4;
const volatile __u8 masquerade_v6;

/* Drop what a pod sends from another address than its own (enable-source-ip-verification). */
const volatile __u8 verify_source = 1;

/* Do packets to pods of other nodes travel in a tunnel (routing-mode: tunnel), to this UDP port? */
const volatile __u8 encapsulates;
const volatile __u16 tunnel_port; /* host byte order */

/* Ports given to masqueraded flows, host byte order, both inclusive. */
enum snat_port {
	SNAT_PORT_MIN = 32768, /* behind Kubernetes' default NodePorts */
	SNAT_PORT_MAX = 65535,
};
const volatile __u16 snat_port_min = SNAT_PORT_MIN;
const volatile __u16 snat_port_max = SNAT_PORT_MAX;

/*
 * The first port for what goes on to a backend elsewhere: where the host's stack masquerades,
 * behind those that it gives.
 */
const volatile __u16 service_port_min = SNAT_PORT_MIN;

/* Elements of `connections`; its size is a setting. */
enum { CONNECTIONS_DEFAULT = 65536 };
const volatile __u32 connections_max = CONNECTIONS_DEFAULT;

/* How long a connection lives after its last packet, in seconds; docs/DATAPATH.md, "Lifetimes". */
const volatile __u32 lifetime_tcp = 8000; /* RFC 5382 asks for 2 h 4 min at least */
const volatile __u32 lifetime_tcp_syn = 60; /* nobody has answered */
const volatile __u32 lifetime_tcp_closed = 10; /* both sides are done */
const volatile __u32 lifetime_tcp_reset = 240; /* RFC 7857, 2.2 */
const volatile __u32 lifetime_udp = 120; /* RFC 4787, REQ-5: not under two minutes */
const volatile __u32 lifetime_any = 60; /* ICMP echo (RFC 5508, REQ-1) and what has no ports */

/*
 * Are packets of connections counted (bpf-conntrack-accounting)? Both directions write one cache
 * line then, which their processors take from each other for each packet.
 */
const volatile __u8 accounting;

/* Is SCTP masqueraded, its ports left as they are (enable-sctp)? Else it is dropped. */
const volatile __u8 sctp;

/*
 * Octets before the IP header at the devices that a program is attached to: an Ethernet header's
 * 14, or none (tun, WireGuard, ppp), for which the programs of node devices are loaded a second
 * time.
 */
enum { ETHERNET_HEADER_BYTES = 14 };
const volatile __u32 l2_header_bytes = ETHERNET_HEADER_BYTES;

/* Is the program one that only tells what it would do (lib/decision.h)? */
const volatile __u8 dry_run;

/* Are packets translated for Services (kube-proxy-replacement)? Sockets have programs of their own.
 */
const volatile __u8 services_by_packet;

/* Is who finds no backend told so, by an ICMP error (service-no-backend-response)? */
const volatile __u8 refuses_without_backend = 1;

/* Who a pod is to itself, when it is the backend of a Service that it asks; no other has these. */
const volatile struct ip_address service_loopback_v4;
const volatile struct ip_address service_loopback_v6;

/* Node ports, host byte order, both inclusive. */
enum node_port { NODE_PORT_MIN = 30000, NODE_PORT_MAX = 32767 };
const volatile __u16 node_port_min = NODE_PORT_MIN;
const volatile __u16 node_port_max = NODE_PORT_MAX;

/* Cookie of the node's own network namespace, by which its processes are told from pods'. */
const volatile __u64 node_netns_cookie;

/* Are pods' sockets left alone, and their packets translated (bpf-lb-sock-hostns-only)? */
const volatile __u8 sockets_of_node_only;

/* Are node ports of other nodes asked for there, as from outside (remote-node-port-scope)? */
const volatile __u8 remote_node_ports_outside;

/* Do pods get external IPs of Services that are no address of the node (CVE-2020-8554)? */
const volatile __u8 external_ips_for_all;

/* Cells of a Maglev table: a prime, the same on all nodes. */
enum maglev_default { MAGLEV_CELLS_DEFAULT = 16381 };
const volatile __u32 maglev_cells = MAGLEV_CELLS_DEFAULT;

/* Has the kernel the helper bpf_set_retval for socket programs (5.18)? Else a refusal is EPERM. */
const volatile __u8 has_set_retval = 1;

/* Flags of bpf_fib_lookup; SKIP_NEIGH (8) where the kernel knows it (6.3). */
const volatile __u32 fib_flags;

/* Connections that one run of `sweep` looks at: a tenth of a millisecond; less without bpf_loop. */
enum { SWEEP_STEP = 4096, SWEEP_STEP_OLD = 32 };

/* Has the kernel the helper bpf_loop (5.17)? Without it less is tried. */
const volatile __u8 has_loop = 1;

/* Has the kernel the helper bpf_ktime_get_coarse_ns (5.11)? It costs a third of the exact clock. */
const volatile __u8 coarse_clock = 1;

#endif
