"""Numbers of the kernel's netlink interface, under the kernel's names.

Sources: linux/netlink.h, net_namespace.h, rtnetlink.h, if_link.h, if_addr.h, neighbour.h,
pkt_sched.h, pkt_cls.h, veth.h, ip.h. Only what this package sends or reads is here.
"""

from typing import Final

# linux/net_namespace.h
NETNSA_NSID: Final = 1
NETNSA_FD: Final = 3

# linux/netlink.h
NETLINK_ROUTE: Final = 0
SOL_NETLINK: Final = 270
NETLINK_CAP_ACK: Final = 10
NETLINK_EXT_ACK: Final = 11
NETLINK_GET_STRICT_CHK: Final = 12
NLMSG_ERROR: Final = 2
NLMSG_DONE: Final = 3
NLM_F_REQUEST: Final = 0x1
NLM_F_ACK: Final = 0x4
NLM_F_DUMP_INTR: Final = 0x10
NLM_F_DUMP: Final = 0x300
NLM_F_REPLACE: Final = 0x100
NLM_F_EXCL: Final = 0x200
NLM_F_CREATE: Final = 0x400
NLM_F_CAPPED: Final = 0x100
NLM_F_ACK_TLVS: Final = 0x200
NLMSGERR_ATTR_MSG: Final = 1
NLA_F_NESTED: Final = 0x8000
NLA_TYPE_MASK: Final = 0x3FFF

# linux/rtnetlink.h: messages
RTM_NEWLINK: Final = 16
RTM_DELLINK: Final = 17
RTM_GETLINK: Final = 18
RTM_SETLINK: Final = 19
RTM_NEWADDR: Final = 20
RTM_DELADDR: Final = 21
RTM_GETADDR: Final = 22
RTM_NEWROUTE: Final = 24
RTM_DELROUTE: Final = 25
RTM_GETROUTE: Final = 26
RTM_NEWNEIGH: Final = 28
RTM_GETNEIGH: Final = 30
RTM_NEWQDISC: Final = 36
RTM_NEWTFILTER: Final = 44
RTM_GETTFILTER: Final = 46
RTM_NEWNETCONF: Final = 80
RTM_NEWNSID: Final = 88
RTM_GETNSID: Final = 90

# Multicast groups (enum rtnetlink_groups): numbers, not bits.
RTNLGRP_LINK: Final = 1
RTNLGRP_IPV4_IFADDR: Final = 5
RTNLGRP_IPV4_ROUTE: Final = 7
RTNLGRP_IPV6_IFADDR: Final = 9
RTNLGRP_IPV6_ROUTE: Final = 11
RTNLGRP_IPV4_NETCONF: Final = 24
RTNLGRP_IPV6_NETCONF: Final = 25

AF_UNSPEC: Final = 0
AF_INET: Final = 2
AF_INET6: Final = 10

# linux/if_link.h
IFLA_ADDRESS: Final = 1
IFLA_IFNAME: Final = 3
IFLA_MTU: Final = 4
IFLA_LINK: Final = 5
IFLA_MASTER: Final = 10
IFLA_LINKINFO: Final = 18
IFLA_AF_SPEC: Final = 26
IFLA_GROUP: Final = 27
IFLA_NET_NS_FD: Final = 28
IFLA_EXT_MASK: Final = 29
IFLA_NUM_TX_QUEUES: Final = 31
IFLA_NUM_RX_QUEUES: Final = 32
IFLA_LINK_NETNSID: Final = 37
IFLA_INFO_KIND: Final = 1
IFLA_INFO_DATA: Final = 2
VETH_INFO_PEER: Final = 1
IFLA_VXLAN_LEARNING: Final = 7
IFLA_VXLAN_PORT_RANGE: Final = 10
IFLA_VXLAN_PORT: Final = 15
IFLA_VXLAN_UDP_ZERO_CSUM6_RX: Final = 20
IFLA_VXLAN_GBP: Final = 23
IFLA_VXLAN_COLLECT_METADATA: Final = 25
IFLA_VXLAN_GPE: Final = 27
IFLA_VXLAN_VNIFILTER: Final = 30
IFLA_GENEVE_PORT: Final = 5
IFLA_GENEVE_COLLECT_METADATA: Final = 6
IFLA_GENEVE_UDP_ZERO_CSUM6_RX: Final = 10
IFLA_GENEVE_PORT_RANGE: Final = 15
IFLA_INET_CONF: Final = 1
IFLA_INET6_ADDR_GEN_MODE: Final = 8
IN6_ADDR_GEN_MODE_NONE: Final = 1
#: Leave statistics out of link messages: three quarters of each.
RTEXT_FILTER_SKIP_STATS: Final = 1 << 3

# linux/ip.h: settings of an interface that netlink takes instead of /proc/sys
IPV4_DEVCONF_ACCEPT_REDIRECTS: Final = 4
IPV4_DEVCONF_RP_FILTER: Final = 8
IPV4_DEVCONF_ARP_IGNORE: Final = 19
IPV4_DEVCONF_ARP_ACCEPT: Final = 21

# linux/if_addr.h
IFA_ADDRESS: Final = 1
IFA_LOCAL: Final = 2
IFA_FLAGS: Final = 8
IFA_F_NODAD: Final = 0x02

# linux/rtnetlink.h: routes
RTA_DST: Final = 1
RTA_SRC: Final = 2
RTA_IIF: Final = 3
RTA_OIF: Final = 4
RTA_GATEWAY: Final = 5
RTA_PRIORITY: Final = 6
RTA_PREFSRC: Final = 7
RTA_METRICS: Final = 8
RTA_MULTIPATH: Final = 9
RTA_TABLE: Final = 15
RTA_VIA: Final = 18
RTAX_MTU: Final = 2
RT_TABLE_UNSPEC: Final = 0
RTM_F_CLONED: Final = 0x200
RTM_F_LOOKUP_TABLE: Final = 0x1000
RTM_F_FIB_MATCH: Final = 0x2000

# linux/netconf.h
NETCONFA_IFINDEX: Final = 1
NETCONFA_FORWARDING: Final = 2
NETCONFA_RP_FILTER: Final = 3
NETCONFA_IFINDEX_ALL: Final = 0xFFFFFFFF
NETCONFA_IFINDEX_DEFAULT: Final = 0xFFFFFFFE

# linux/neighbour.h
NDA_DST: Final = 1
NDA_LLADDR: Final = 2
NUD_PERMANENT: Final = 0x80

# linux/pkt_sched.h, pkt_cls.h
TC_H_CLSACT: Final = 0xFFFFFFF1
TC_H_INGRESS_FILTERS: Final = 0xFFFFFFF2
TC_H_EGRESS_FILTERS: Final = 0xFFFFFFF3
CLSACT_HANDLE: Final = 0xFFFF0000
TCA_KIND: Final = 1
TCA_OPTIONS: Final = 2
TCA_BPF_FD: Final = 6
TCA_BPF_NAME: Final = 7
TCA_BPF_FLAGS: Final = 8
TCA_BPF_ID: Final = 11
TCA_BPF_FLAG_ACT_DIRECT: Final = 1
ETH_P_ALL: Final = 0x0003
