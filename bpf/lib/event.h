/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Events: what happened to a packet, told to whoever listens (docs/FLOWS.md). The ways out of a
 * program (verdict.h) tell it, once it is decided.
 */
#ifndef CILIATE_EVENT_H
#define CILIATE_EVENT_H

#include "../config.h"
#include "../maps.h"
#include "compiler.h"
#include "flow_state.h"
#include "flow_trace.h"
#include "ipcache.h"
#include "parse.h"
#include "ring.h"

/* What a call of tell_packet tells: the octets of `what`. */
enum {
	TELL_KIND = 0, /* enum event_kind */
	TELL_ABOUT = 8,
	TELL_ORIGIN = 16, /* enum trace_point + 1: where it came from, told before; 0: not told */
	TELL_FLAGS = 24,
};
enum tell_flag {
	TELL_TO_POD = 1, /* its headers are those that the pod sees, behind an Ethernet header */
	TELL_IS_CHANGED = 2, /* its headers are no longer those of the packet that is told of */
};

static __always_inline __u32 telling(enum event_kind kind, __u32 about, __u32 origin,
				     enum tell_flag flags)
{
	return kind << TELL_KIND | about << TELL_ABOUT | origin << TELL_ORIGIN |
	       flags << TELL_FLAGS;
}

/* What this CPU puts together: an event, which is told only if it is news; too big for a stack. */
struct draft {
	struct event event;
	struct ip_address addresses[2]; /* source and destination, as the headers have them now */
	struct prefix_key key;
	__u32 sender; /* the source's identity, as its node says; else 0 */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct draft);
} drafts SEC(".maps");

/* Who has an address: its identity, and the endpoint's number where it is a pod of this node. */
static __always_inline __u32 identify(struct draft *draft, const struct ip_address *address,
				      __u16 *number)
{
	const struct endpoint *endpoint = bpf_map_lookup_elem(&endpoints, address);
	const struct ipcache_entry *entry;

	if (endpoint) {
		*number = endpoint->endpoint_id;
		return endpoint->identity;
	}
	draft->key.prefix_length = IPCACHE_HOST_PREFIX;
	draft->key.address = *address;
	entry = bpf_map_lookup_elem(&ipcache, &draft->key);
	return entry ? entry->identity : IDENTITY_WORLD;
}

/* The ports that stand in the packet, or an ICMP message's type and code; later pieces have none.
 */
static __always_inline void draft_transport(struct __sk_buff *skb, __u32 offset,
					    struct event *event)
{
	const struct tcphdr *tcp;

	switch (event->protocol) {
	case IPPROTO_TCP:
		tcp = in_place(skb, offset, TCP_FLAGS_OFFSET + 1); /* as of all that sockets send */
		if (tcp) {
			event->source_port = tcp->source;
			event->destination_port = tcp->dest;
			event->tcp_flags = ((const __u8 *)tcp)[TCP_FLAGS_OFFSET];
			return;
		}
		bpf_skb_load_bytes(skb, offset + TCP_FLAGS_OFFSET, &event->tcp_flags, 1);
		/* fall through */
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		bpf_skb_load_bytes(skb, offset, &event->source_port, 4);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		bpf_skb_load_bytes(skb, offset, &event->destination_port, 2);
		break;
	}
}

/* What the packet says of itself, as it was parsed. */
static __always_inline void draft_packet(struct __sk_buff *skb, const struct packet *packet,
					 struct event *event, __u32 flags)
{
	event->time_ns = now_ns(); /* to the tick: that is enough to tell whether it is news */
	event->ifindex = skb->ifindex;
	event->bytes = skb->len;
	if (!packet || !packet->l4_offset)
		return;
	event->flags = EVENT_IS_IP;
	event->source = packet->tuple.source;
	event->destination = packet->tuple.destination;
	event->protocol = packet->tuple.protocol;
	if (packet->l4_kind == L4_PORTS) {
		event->source_port = packet->tuple.source_port;
		event->destination_port = packet->tuple.destination_port;
		event->tcp_flags = packet->tcp_flags;
	} else if (!packet->fragment_offset && !(flags & TELL_IS_CHANGED)) {
		draft_transport(skb, packet->l4_offset, event);
	}
}

/* The addresses that stand in its header by now. False: it cannot be read. */
static __always_inline bool read_addresses(struct __sk_buff *skb, const struct packet *packet,
					   struct draft *draft, __u32 l3)
{
	struct ip_address *now = draft->addresses;
	const struct iphdr *ip;

	if (!packet->is_v6) {
		ip = in_place(skb, l3, sizeof(*ip));
		if (!ip)
			return false;
		now[0] = address_from_v4(ip->saddr);
		now[1] = address_from_v4(ip->daddr);
		return true;
	}
	return !bpf_skb_load_bytes(skb, l3 + offsetof(struct ipv6hdr, saddr), now,
				   sizeof(draft->addresses));
}

/* What translation made of it: to a pod that is what the pod sees, else the source it leaves with.
 */
static __always_inline void draft_headers(struct __sk_buff *skb, const struct packet *packet,
					  struct draft *draft, __u32 flags)
{
	__u32 l3 = flags & TELL_TO_POD ? ETHERNET_HEADER_BYTES : l2_header_bytes;
	struct event *event = &draft->event;

	if (!packet || !(event->flags & EVENT_IS_IP) || flags & TELL_IS_CHANGED ||
	    !read_addresses(skb, packet, draft, l3))
		return;
	if (!(flags & TELL_TO_POD)) {
		if (address_equal(&draft->addresses[0], &event->source))
			return;
		event->seen = draft->addresses[0];
		if (event->source_port && !packet->fragment_offset)
			bpf_skb_load_bytes(skb, packet->l4_offset, &event->seen_port,
					   sizeof(event->seen_port));
		return;
	}
	if (!address_equal(&event->source, &draft->addresses[0]))
		draft->sender = 0; /* what a Service answers, it answers as itself */
	event->source = draft->addresses[0];
	event->destination = draft->addresses[1];
	if (!packet->fragment_offset)
		draft_transport(skb, packet->l4_offset - l2_header_bytes + l3, event);
}

/* The rest, which only what is told needs. */
static __always_inline void tell_draft(struct __sk_buff *skb, struct draft *draft,
				       const struct event_settings *settings, __u32 flags)
{
	struct event *event = reserve_event(settings), *drafted = &draft->event;

	if (!event)
		return;
	drafted->time_ns = bpf_ktime_get_ns();
	if (drafted->flags & EVENT_IS_IP) {
		drafted->source_identity =
			draft->sender > IDENTITY_WORLD
				? draft->sender
				: identify(draft, &drafted->source, &drafted->source_endpoint);
		drafted->destination_identity =
			identify(draft, &drafted->destination, &drafted->destination_endpoint);
	}
	if ((l2_header_bytes || flags & TELL_TO_POD) && !(flags & TELL_IS_CHANGED) &&
	    !bpf_skb_load_bytes(skb, 0, drafted->destination_mac, 2 * ETH_ALEN))
		drafted->flags |= EVENT_HAS_ETHERNET;
	drafted->cpu = bpf_get_smp_processor_id();
	*event = *drafted;
	submit_event(event);
}

/* Where all is told: the packet as it came. */
static __always_inline void tell_origin(struct __sk_buff *skb, struct draft *draft,
					const struct event_settings *settings, __u32 origin)
{
	if (!origin || settings->aggregation != AGGREGATION_NONE ||
	    !(settings->wanted & EVENT_WANTED_TRACE) || !(draft->event.flags & EVENT_IS_IP))
		return;
	draft->event.kind = EVENT_TRACE;
	draft->event.about = origin - 1;
	draft->event.reason = TRACE_UNKNOWN;
	tell_draft(skb, draft, settings, TELL_IS_CHANGED);
}

/*
 * Tell of a packet what `what` says, and before it where it came from: the last that a program does
 * with it. `place` is where it was dropped; `packet` may be NULL, where it was not parsed;
 * `identity` is the sender's, where its node says it. A function that the verifier looks at once:
 * every way out of every program calls it.
 */
__verified_once int tell_packet(struct __sk_buff *skb, const struct packet *packet, __u32 what,
				__u32 place, __u32 identity)
{
	__u32 first = 0, kind = what >> TELL_KIND & 0xff, flags = what >> TELL_FLAGS;
	const struct event_settings *settings = bpf_map_lookup_elem(&event_settings, &first);
	struct draft *draft = bpf_map_lookup_elem(&drafts, &first);
	int reason = TRACE_UNKNOWN;

	if (!settings || !draft)
		return 0;
	__builtin_memset(&draft->event, 0, sizeof(draft->event));
	draft_packet(skb, packet, &draft->event, flags);
	draft->sender = identity;
	tell_origin(skb, draft, settings, what >> TELL_ORIGIN & 0xff);
	if (!kind)
		return 0;
	draft->event.kind = kind;
	draft->event.about = what >> TELL_ABOUT;
	draft_headers(skb, packet, draft, flags);
	if (kind == EVENT_TRACE) {
		if (!packet || !(draft->event.flags & EVENT_IS_IP))
			return 0;
		reason = packet->l4_kind == L4_ICMP_ERROR ? TRACE_RELATED
							  : trace_news(settings, &draft->event);
		if (reason == TRACE_NOT_NEWS)
			return 0;
	}
	draft->event.reason = reason;
	draft->event.line = place;
	draft->event.file = place >> 16;
	tell_draft(skb, draft, settings, flags);
	return 0;
}

#endif
