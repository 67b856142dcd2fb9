/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a VLAN device does to a frame that leaves: tag it beside its octets, as the kernel keeps
 * tags, and hand it to the device below. UPLINK is that device's ifindex.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int tagging(struct __sk_buff *skb)
{
	bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 5);
	return bpf_redirect(UPLINK, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
