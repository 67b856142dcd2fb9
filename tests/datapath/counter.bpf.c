/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A program small enough to predict, for tests of the loader and of the map calls: it shares maps
 * and settings with the real ones, counts each packet under FROM_POD, and answers with a setting.
 */
#include "../../bpf/config.h"
#include "../../bpf/maps.h"
#include <linux/pkt_cls.h>

/* Keeps the enums that no map names in BTF. */
enum reserved_identity *keep_identity;
enum endpoint_flag *keep_endpoint_flag;
enum ipcache_flag *keep_ipcache_flag;
enum tuple_direction *keep_direction;
enum connection_flag *keep_connection_flag;
enum drop_reason *keep_reason;
enum attach_point *keep_point;

static __always_inline int count_and_answer(struct __sk_buff *skb)
{
	__u32 key = FORWARDED * ATTACH_POINT_COUNT + FROM_POD;
	struct metric *metric = bpf_map_lookup_elem(&metrics, &key);
	__u32 ifindex = skb->ifindex;

	if (metric) {
		metric->packets++;
		metric->bytes += skb->len;
	}
	if (masquerade_v4 && snat_port_min == 40000)
		return TC_ACT_SHOT;
	if (native_routing_v4_mask.words[3] == 0xffff && bpf_map_lookup_elem(&interfaces, &ifindex))
		return TC_ACT_STOLEN;
	return verify_source ? TC_ACT_OK : TC_ACT_PIPE;
}

SEC("tc")
int PROGRAM(struct __sk_buff *skb)
{
	return count_and_answer(skb);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
