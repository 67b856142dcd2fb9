/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where in our source a packet was dropped: the number of a file, known when it is compiled. */
#ifndef CILIATE_SOURCE_FILE_H
#define CILIATE_SOURCE_FILE_H

#include "../abi.h"

/* The file and the line that this stands in, in one number. */
#define SOURCE_PLACE ((__u32)source_file(__FILE_NAME__) << 16 | __LINE__)

#define IS_FILE(known) (!__builtin_strcmp(name, known))

/* A constant: the compiler compares the names. */
static __always_inline enum source_file source_file(const char *name)
{
	return IS_FILE("from_pod.bpf.c")	? SOURCE_FROM_POD_BPF_C
	       : IS_FILE("to_pod.bpf.c")	? SOURCE_TO_POD_BPF_C
	       : IS_FILE("from_uplink.bpf.c")	? SOURCE_FROM_UPLINK_BPF_C
	       : IS_FILE("to_uplink.bpf.c")	? SOURCE_TO_UPLINK_BPF_C
	       : IS_FILE("serve_pod.bpf.c")	? SOURCE_SERVE_POD_BPF_C
	       : IS_FILE("serve_outside.bpf.c") ? SOURCE_SERVE_OUTSIDE_BPF_C
	       : IS_FILE("admit.h")		? SOURCE_ADMIT_H
	       : IS_FILE("arp.h")		? SOURCE_ARP_H
	       : IS_FILE("leave.h")		? SOURCE_LEAVE_H
	       : IS_FILE("next_hop.h")		? SOURCE_NEXT_HOP_H
	       : IS_FILE("refuse.h")		? SOURCE_REFUSE_H
	       : IS_FILE("route.h")		? SOURCE_ROUTE_H
	       : IS_FILE("serve.h")		? SOURCE_SERVE_H
	       : IS_FILE("service_open.h")	? SOURCE_SERVICE_OPEN_H
	       : IS_FILE("from_tunnel.bpf.c")	? SOURCE_FROM_TUNNEL_BPF_C
	       : IS_FILE("from_host.bpf.c")	? SOURCE_FROM_HOST_BPF_C
	       : IS_FILE("encapsulate.h")	? SOURCE_ENCAPSULATE_H
	       : IS_FILE("arrive.h")		? SOURCE_ARRIVE_H
						: SOURCE_UNKNOWN;
}

#endif
