/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Events of sockets: whom a process names, before and after that is translated. */
#ifndef CILIATE_SOCKET_EVENT_H
#define CILIATE_SOCKET_EVENT_H

#include "ring.h"

/*
 * Tell of a call. Before an answer is translated back, and after, the peer is the source; else it
 * is the destination. Who calls is known by its control group, and its socket by the cookie.
 */
static __always_inline void tell_socket(struct bpf_sock_addr *call, enum socket_point point,
					const struct ip_address *peer, __be16 port)
{
	bool is_answer = point == SOCKET_PRE_REVERSE || point == SOCKET_POST_REVERSE;
	const struct event_settings *settings = listeners(EVENT_WANTED_SOCKET);
	struct event *event;

	if (!settings)
		return;
	event = reserve_event(settings);
	if (!event)
		return;
	__builtin_memset(event, 0, sizeof(*event));
	event->time_ns = bpf_ktime_get_ns();
	event->kind = EVENT_SOCKET;
	event->about = point;
	event->reason = TRACE_UNKNOWN;
	event->flags = EVENT_IS_IP;
	event->protocol = call->protocol;
	event->cpu = bpf_get_smp_processor_id();
	if (is_answer) {
		event->source = *peer;
		event->source_port = port;
	} else {
		event->destination = *peer;
		event->destination_port = port;
	}
	event->cookie = bpf_get_socket_cookie(call);
	event->cgroup = bpf_get_current_cgroup_id();
	submit_event(event);
}

#endif
