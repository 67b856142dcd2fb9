/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Into the tunnel to another node (VXLAN, RFC 7348; Geneve, RFC 8926): one device for all nodes,
 * which learns from each packet where it goes. The identifier of the virtual network (VNI) is the
 * identity of the sender.
 */
#ifndef CILIATE_ENCAPSULATE_H
#define CILIATE_ENCAPSULATE_H

#include <bpf/bpf_endian.h>

#include "../config.h"
#include "../maps.h"
#include "address.h"
#include "ipcache.h"
#include "mark.h"
#include "verdict.h"

/* What every kernel knows of struct bpf_tunnel_key; the source in it came with 5.19. */
enum { TUNNEL_KEY_BYTES = offsetof(struct bpf_tunnel_key, local_ipv4) };

/* The tunnel's device; NULL: there is none now. */
static __always_inline const struct tunnel_device *tunnel_device_here(void)
{
	__u32 first = 0;
	const struct tunnel_device *device = bpf_map_lookup_elem(&tunnel_devices, &first);

	return device && device->ifindex ? device : NULL;
}

/* Where a tunnel to `destination` ends; NULL: it is not reached by one. */
static __always_inline const struct ip_address *
tunnel_endpoint(const struct ip_address *destination)
{
	const struct ipcache_entry *entry = ipcache_lookup(destination);

	return entry && entry->flags & IPCACHE_TUNNEL ? &entry->node : NULL;
}

/*
 * What node and identity become in the headers around the packet. False: the kernel refuses. Not
 * inline: its callers' stacks are full.
 */
static __noinline __unused bool set_tunnel_key(struct __sk_buff *skb, const struct ip_address *node,
					       __u32 identity)
{
	struct bpf_tunnel_key key = {.tunnel_id = identity};
	__u64 flags = BPF_F_TUNINFO_IPV6;

	if (address_is_mapped(node)) {
		flags = BPF_F_ZERO_CSUM_TX; /* what is inside has a checksum of its own */
		key.remote_ipv4 = bpf_ntohl(node->words[3]);
	} else {
		__builtin_memcpy(key.remote_ipv6, node, sizeof(key.remote_ipv6));
	}
	return !bpf_skb_set_tunnel_key(skb, &key, TUNNEL_KEY_BYTES, flags);
}

/* Who sent the packet around this one, and what its VNI says. False: the device did not tell. */
static __always_inline bool read_tunnel_key(struct __sk_buff *skb, struct ip_address *node,
					    __u32 *identity)
{
	struct bpf_tunnel_key key = {};

	if (!bpf_skb_get_tunnel_key(skb, &key, TUNNEL_KEY_BYTES, 0)) {
		*node = address_from_v4(bpf_htonl(key.remote_ipv4));
	} else if (!bpf_skb_get_tunnel_key(skb, &key, TUNNEL_KEY_BYTES, BPF_F_TUNINFO_IPV6)) {
		__builtin_memcpy(node, key.remote_ipv6, sizeof(*node));
	} else {
		return false;
	}
	*identity = key.tunnel_id;
	return true;
}

/* An Ethernet header for what came without one: that of what travels inside says nothing. */
static __always_inline bool has_inner_ethernet(struct __sk_buff *skb)
{
	struct ethhdr *ethernet;

	if (l2_header_bytes)
		return true;
	if (bpf_skb_change_head(skb, ETH_HLEN, 0))
		return false;
	ethernet = (void *)(long)skb->data;
	if ((void *)(ethernet + 1) > (void *)(long)skb->data_end)
		return false;
	__builtin_memset(ethernet, 0, sizeof(*ethernet));
	ethernet->h_proto = skb->protocol;
	return true;
}

/*
 * Send to `node` in the tunnel whose device is `ifindex`, for a sender of `identity`: as one hop,
 * which the other end counts. Returns the verdict.
 */
static __always_inline int send_in_tunnel(struct __sk_buff *skb, const struct flow *flow,
					  __u32 ifindex, const struct ip_address *node,
					  __u32 identity)
{
	if (!has_inner_ethernet(skb) || !set_tunnel_key(skb, node, identity))
		return drop(skb, flow, DROP_WRITE_ERROR);
	mark_overlay(skb);
	return forward(skb, flow, TRACE_TO_OVERLAY, bpf_redirect(ifindex, 0));
}

/* The UDP port at that offset; below zero: none. Not inline: its callers' stacks are full. */
static __noinline __unused int udp_port_at(struct __sk_buff *skb, __u32 offset)
{
	__be16 port;

	return bpf_skb_load_bytes(skb, offset, &port, sizeof(port)) ? -1 : port;
}

/* Is it to that UDP port, by what stands in the packet now? Later pieces say no. */
static __always_inline bool goes_to_port(struct __sk_buff *skb, const struct packet *packet,
					 __be16 port)
{
	return packet->tuple.protocol == IPPROTO_UDP && !packet->fragment_offset &&
	       udp_port_at(skb, packet->l4_offset + offsetof(struct udphdr, dest)) == port;
}

/*
 * Does a pod, or a client, send what only nodes send each other? It would leave behind an address
 * of this node, and say what it likes of who sent it.
 */
static __always_inline bool poses_as_node(struct __sk_buff *skb, const struct packet *packet,
					  const struct ip_address *destination)
{
	return encapsulates && goes_to_port(skb, packet, bpf_htons(tunnel_port)) &&
	       is_address_of_a_node(destination);
}

#endif
