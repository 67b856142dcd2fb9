/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What of a packet's metadata lives from a pod's device to the uplink's egress. `marking` leaves
 * notes, `showing` writes what it finds of them into the Ethernet source, where the far end sees
 * it. UPLINK is the device's ifindex; with BY_STACK the packet takes the way through the stack.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { MARK = 0x300, FORGED = 0xbad, NOTE = 0x111, INDEX = 0x222 };

SEC("tc/marking")
int marking(struct __sk_buff *skb)
{
	skb->mark = skb->mark ? FORGED : MARK; /* the pod's own mark would be there by now */
	skb->cb[0] = NOTE;
	skb->tc_index = INDEX;
	return BY_STACK ? TC_ACT_OK : bpf_redirect_neigh(UPLINK, NULL, 0, 0);
}

SEC("tc/showing")
int showing(struct __sk_buff *skb)
{
	__be16 found[] = {bpf_htons(skb->mark), bpf_htons(skb->cb[0]), bpf_htons(skb->tc_index)};

	bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_source), found, sizeof(found), 0);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
