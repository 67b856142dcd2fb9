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

/* Ports given to masqueraded flows, host byte order, both inclusive. */
enum snat_port {
	SNAT_PORT_MIN = 32768, /* behind Kubernetes' default NodePorts */
	SNAT_PORT_MAX = 65535,
};
const volatile __u16 snat_port_min = SNAT_PORT_MIN;
const volatile __u16 snat_port_max = SNAT_PORT_MAX;

/*
 * Octets before the IP header at the devices that a program is attached to: an Ethernet header's
 * 14, or none (tun, WireGuard, ppp), for which the programs of node devices are loaded a second
 * time.
 */
enum { ETHERNET_HEADER_BYTES = 14 };
const volatile __u32 l2_header_bytes = ETHERNET_HEADER_BYTES;

/* Flags of bpf_fib_lookup; SKIP_NEIGH (8) where the kernel knows it (6.3). */
const volatile __u32 fib_flags;

/* Has the kernel the helper bpf_ktime_get_coarse_ns (5.11)? It costs a third of the exact clock. */
const volatile __u8 coarse_clock = 1;

#endif
