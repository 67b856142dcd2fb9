"""The keys we act on, with the value in force when they are absent.

Adding a key here is a promise: a user who sets it gets what the line says. `tests/unit/cli` holds
docs/CONFIGURATION.md to this table.
"""

from typing import Final

from ciliate.config.bgp_keys import BGP
from ciliate.config.flow_keys import FLOWS
from ciliate.config.hubble_export_keys import HUBBLE_EXPORT
from ciliate.config.hubble_metrics_keys import HUBBLE_METRICS
from ciliate.config.hubble_server_keys import HUBBLE_SERVER
from ciliate.config.key import Key, Kind, Scope
from ciliate.config.l2_keys import L2
from ciliate.config.map_sizes import CONNECTION_BYTES, CONNECTIONS_MIN
from ciliate.config.service_keys import SERVICES
from ciliate.config.tunnel_keys import TUNNEL_KEYS

_ADDRESSES: Final = (
    Key(
        name="ipam",
        kind=Kind.CHOICE,
        default="cluster-pool",
        helm="ipam.mode",
        scope=Scope.BOTH,
        choices=("kubernetes", "cluster-pool", "multi-pool", "delegated-plugin"),
        choices_later=("crd", "eni", "azure", "alibabacloud"),
        meaning="Who gives nodes and pods their addresses.",
    ),
    Key(
        name="cluster-pool-ipv4-cidr",
        kind=Kind.IPV4_CIDRS,
        default="10.0.0.0/8",
        helm="ipam.operator.clusterPoolIPv4PodCIDRList",
        scope=Scope.OPERATOR,
        meaning="Ranges that nodes' IPv4 pod CIDRs come from (cluster-pool); append to enlarge.",
    ),
    Key(
        name="cluster-pool-ipv4-mask-size",
        kind=Kind.INT,
        default="24",
        helm="ipam.operator.clusterPoolIPv4MaskSize",
        scope=Scope.OPERATOR,
        meaning="Prefix length of a node's IPv4 pod CIDR (cluster-pool).",
    ),
    Key(
        name="cluster-pool-ipv6-cidr",
        kind=Kind.IPV6_CIDRS,
        default="fd00::/104",
        helm="ipam.operator.clusterPoolIPv6PodCIDRList",
        scope=Scope.OPERATOR,
        meaning="Ranges that nodes' IPv6 pod CIDRs come from (cluster-pool); append to enlarge.",
    ),
    Key(
        name="cluster-pool-ipv6-mask-size",
        kind=Kind.INT,
        default="120",
        helm="ipam.operator.clusterPoolIPv6MaskSize",
        scope=Scope.OPERATOR,
        meaning="Prefix length of a node's IPv6 pod CIDR (cluster-pool).",
    ),
    Key(
        name="auto-create-cilium-pod-ip-pools",
        kind=Kind.STRING,
        default="",
        helm="ipam.operator.autoCreateCiliumPodIPPools",
        scope=Scope.OPERATOR,
        meaning="CiliumPodIPPools the operator creates where they are missing (multi-pool):"
        " `default=ipv4-cidrs:10.10.0.0/16;ipv4-mask-size:24,mars=...`.",
    ),
    Key(
        name="ipam-default-ip-pool",
        kind=Kind.STRING,
        default="default",
        scope=Scope.BOTH,
        meaning="The pool of pods that name none (multi-pool).",
    ),
    Key(
        name="ipam-multi-pool-pre-allocation",
        kind=Kind.POOL_COUNTS,
        default="",
        helm="ipam.multiPoolPreAllocation",
        meaning="Addresses each node keeps ready, `pool=count[,pool=count]`; empty: 8 of the"
        " default pool (multi-pool).",
    ),
    Key(
        name="ipam-cilium-node-update-rate",
        kind=Kind.DURATION,
        default="15s",
        helm="ipam.ciliumNodeUpdateRate",
        meaning="How long a node waits before it gives unused CIDRs back (multi-pool); growing"
        " demand is told at once.",
    ),
    Key(
        name="enable-ipv4",
        kind=Kind.BOOL,
        default="true",
        helm="ipv4.enabled",
        meaning="Give pods IPv4 addresses and carry IPv4.",
    ),
    Key(
        name="enable-ipv6",
        kind=Kind.BOOL,
        default="false",
        helm="ipv6.enabled",
        meaning="Give pods IPv6 addresses and carry IPv6.",
    ),
    Key(
        name="k8s-require-ipv4-pod-cidr",
        kind=Kind.BOOL,
        default="false",
        helm="k8s.requireIPv4PodCIDR",
        meaning="Wait at start for an IPv4 pod CIDR; always so with `ipam: kubernetes`.",
    ),
    Key(
        name="k8s-require-ipv6-pod-cidr",
        kind=Kind.BOOL,
        default="false",
        helm="k8s.requireIPv6PodCIDR",
        meaning="Wait at start for an IPv6 pod CIDR; always so with `ipam: kubernetes`.",
    ),
    Key(
        name="local-router-ipv4",
        kind=Kind.IPV4,
        default="",
        meaning="The node's router address, instead of one out of its pod CIDR.",
    ),
    Key(
        name="local-router-ipv6",
        kind=Kind.IPV6,
        default="",
        meaning="The node's IPv6 router address, instead of one out of its pod CIDR.",
    ),
)

_ROUTING: Final = (
    Key(
        name="routing-mode",
        kind=Kind.CHOICE,
        default="tunnel",
        helm="routingMode",
        choices=("native", "tunnel"),
        meaning="How packets reach pods of other nodes: the network's routes, or a tunnel.",
    ),
    Key(
        name="auto-direct-node-routes",
        kind=Kind.BOOL,
        default="false",
        helm="autoDirectNodeRoutes",
        meaning="One route for each other node's pod CIDR, via that node's address.",
    ),
    Key(
        name="direct-routing-skip-unreachable",
        kind=Kind.BOOL,
        default="false",
        helm="directRoutingSkipUnreachable",
        meaning="With the former: leave nodes behind a gateway to the network's own routes.",
    ),
    Key(
        name="route-metric",
        kind=Kind.INT,
        default="0",
        meaning="Metric of the routes to pods of other nodes; 0: the kernel's (IPv6: 1024).",
    ),
    Key(
        name="ipv4-native-routing-cidr",
        kind=Kind.IPV4_CIDR,
        default="",
        helm="ipv4NativeRoutingCIDR",
        meaning="Destinations inside are reached with the pod's own address.",
    ),
    Key(
        name="ipv6-native-routing-cidr",
        kind=Kind.IPV6_CIDR,
        default="",
        helm="ipv6NativeRoutingCIDR",
        meaning="The same for IPv6.",
    ),
    Key(
        name="enable-endpoint-routes",
        kind=Kind.BOOL,
        default="false",
        helm="endpointRoutes.enabled",
        meaning="One /32 (/128) route for each local pod.",
    ),
    Key(
        name="devices",
        kind=Kind.DEVICES,
        default="",
        helm="devices",
        meaning='Node devices that run our programs: names, "eth+", "!eth0"; empty: detected.',
    ),
    Key(
        name="force-device-detection",
        kind=Kind.BOOL,
        default="false",
        helm="forceDeviceDetection",
        meaning="Detect devices beside those that `devices` names, but for those it excludes.",
    ),
    Key(
        name="direct-routing-device",
        kind=Kind.STRING,
        default="",
        helm="nodePort.directRoutingDevice",
        meaning="The device toward other nodes; empty: the one with the node's InternalIP.",
    ),
    Key(
        name="mtu",
        kind=Kind.INT,
        default="0",
        helm="MTU",
        meaning="MTU of pod interfaces in bytes; 0: the smallest of the node's devices.",
    ),
)

_MASQUERADE: Final = (
    Key(
        name="enable-ipv4-masquerade",
        kind=Kind.BOOL,
        default="true",
        helm="enableIPv4Masquerade",
        meaning="Packets that leave the cluster get the node's IPv4 address.",
    ),
    Key(
        name="enable-ipv6-masquerade",
        kind=Kind.BOOL,
        default="true",
        helm="enableIPv6Masquerade",
        meaning="The same for IPv6; without effect while IPv6 is off.",
    ),
    Key(
        name="enable-bpf-masquerade",
        kind=Kind.BOOL,
        default="false",
        helm="bpf.masquerade",
        meaning="Masquerade in the eBPF programs of the node's devices; false: by rules of nftables,"
        " and pods' packets go through the host's stack.",
    ),
    Key(
        name="egress-masquerade-interfaces",
        kind=Kind.WORDS,
        default="",
        helm="egressMasqueradeInterfaces",
        meaning="With nftables: devices where pods are masqueraded, such as `eth0 wlan+`; empty:"
        " all.",
    ),
    Key(
        name="enable-masquerade-to-route-source",
        kind=Kind.BOOL,
        default="false",
        helm="enableMasqueradeRouteSource",
        meaning="With nftables: packets get the source address that their route names, where it"
        " names one.",
    ),
    Key(
        name="iptables-random-fully",
        kind=Kind.BOOL,
        default="false",
        helm="iptablesRandomFully",
        meaning="With nftables: every masqueraded connection gets a random port.",
    ),
    Key(
        name="enable-ip-masq-agent",
        kind=Kind.BOOL,
        default="false",
        helm="ipMasqAgent.enabled",
        meaning="Read further ranges that are reached with the pod's own address from a file.",
    ),
    Key(
        name="ip-masq-agent-config-path",
        kind=Kind.STRING,
        default="/etc/config/ip-masq-agent",
        meaning="That file; without it private and special ranges are excluded"
        " ([MASQUERADING.md](MASQUERADING.md)).",
    ),
)

_DATAPATH: Final = (
    Key(
        name="enable-source-ip-verification",
        kind=Kind.BOOL,
        default="true",
        meaning="Drop what a pod sends from another address than its own.",
    ),
    Key(
        name="bpf-root",
        kind=Kind.STRING,
        default="/sys/fs/bpf",
        helm="bpf.root",
        meaning="The bpf file system that maps, programs and links are pinned in.",
    ),
    Key(
        name="procfs",
        kind=Kind.STRING,
        default="/proc",
        meaning="Where the node's /proc is mounted, writable: settings of pods' interfaces are"
        " written there.",
    ),
    Key(
        name="bpf-map-dynamic-size-ratio",
        kind=Kind.FLOAT,
        default="0.0025",
        helm="bpf.mapDynamicSizeRatio",
        meaning=f"Share of the node's memory for connections, at {CONNECTION_BYTES} octets each,"
        f" and {CONNECTIONS_MIN:,} at least; for each of the two settings below that is absent.",
    ),
    Key(
        name="bpf-nat-global-max",
        kind=Kind.INT,
        default="",
        helm="bpf.natMax",
        meaning="Room for masqueraded connections, two entries each. One table holds these and"
        " tracked ones: the larger of this half and `bpf-ct-global-tcp-max` is its size.",
    ),
    Key(
        name="bpf-ct-global-tcp-max",
        kind=Kind.INT,
        default="",
        helm="bpf.ctTcpMax",
        meaning="Room for tracked connections, of all protocols.",
    ),
    Key(
        name="bpf-conntrack-accounting",
        kind=Kind.BOOL,
        default="false",
        helm="bpf.ctAccounting",
        meaning="Count packets and bytes of connections, which costs each packet some time.",
    ),
    Key(
        name="bpf-ct-timeout-regular-tcp",
        kind=Kind.DURATION,
        default="2h13m20s",
        meaning="How long a TCP connection is remembered after its last packet.",
    ),
    Key(
        name="bpf-ct-timeout-regular-tcp-syn",
        kind=Kind.DURATION,
        default="1m0s",
        meaning="The same, while nobody has answered.",
    ),
    Key(
        name="bpf-ct-timeout-regular-tcp-fin",
        kind=Kind.DURATION,
        default="10s",
        meaning="The same, when both sides have closed.",
    ),
    Key(
        name="bpf-ct-timeout-regular-any",
        kind=Kind.DURATION,
        default="",
        meaning="The same for all but TCP; empty: UDP 2m (RFC 4787), others 1m.",
    ),
    Key(
        name="enable-sctp",
        kind=Kind.BOOL,
        default="false",
        helm="sctp.enabled",
        meaning="Masquerade SCTP, its ports left as they are; a taken port is a drop. Off: a pod's"
        " SCTP toward the world is dropped.",
    ),
)

_NODE: Final = (
    Key(
        name="cluster-name",
        kind=Kind.STRING,
        default="default",
        helm="cluster.name",
        scope=Scope.BOTH,
        meaning="Name of the cluster, part of every identity's labels.",
    ),
    Key(
        name="cluster-id",
        kind=Kind.INT,
        default="0",
        helm="cluster.id",
        scope=Scope.BOTH,
        meaning="Number of the cluster; 0 while clusters are not meshed.",
    ),
    Key(
        name="write-cni-conf-when-ready",
        kind=Kind.STRING,
        default="",
        meaning="Where the CNI configuration is written once the agent is ready.",
    ),
    Key(
        name="cni-chaining-mode",
        kind=Kind.CHOICE,
        default="none",
        helm="cni.chainingMode",
        choices=("none", "portmap", "generic-veth"),
        choices_later=("aws-cni", "azure", "flannel"),
        meaning="generic-veth: another plugin makes interface and address, ours its datapath.",
    ),
    Key(
        name="cni-chaining-target",
        kind=Kind.STRING,
        default="",
        helm="cni.chainingTarget",
        meaning="The network whose CNI configuration ours is appended to; `*`: the first found.",
    ),
    Key(
        name="cni-exclusive",
        kind=Kind.BOOL,
        default="true",
        helm="cni.exclusive",
        meaning="Rename other CNI configurations to `*.cilium_bak`.",
    ),
    Key(
        name="cni-log-file",
        kind=Kind.STRING,
        default="/var/run/cilium/cilium-cni.log",
        helm="cni.logFile",
        meaning="Where the agent logs each CNI request, with its result and duration; 10 MB and"
        " three older files.",
    ),
    Key(
        name="custom-cni-conf",
        kind=Kind.BOOL,
        default="false",
        helm="cni.customConf",
        meaning="Leave the CNI configuration to the operator of the cluster.",
    ),
    Key(
        name="debug",
        kind=Kind.BOOL,
        default="false",
        helm="debug.enabled",
        scope=Scope.BOTH,
        meaning="Log at level debug.",
    ),
    Key(
        name="labels",
        kind=Kind.WORDS,
        default="",
        helm="labels",
        scope=Scope.BOTH,
        meaning="Filter of the labels that make an identity; empty: Cilium's default filter.",
    ),
    Key(
        name="identity-allocation-mode",
        kind=Kind.CHOICE,
        default="crd",
        helm="identityAllocationMode",
        scope=Scope.BOTH,
        choices=("crd",),
        choices_later=("kvstore", "doublewrite-readkvstore", "doublewrite-readcrd"),
        meaning="Where identities are kept: CiliumIdentity objects.",
    ),
)

_METRICS: Final = (
    Key(
        name="agent-health-port",
        kind=Kind.INT,
        default="9879",
        helm="healthPort",
        meaning="Port on 127.0.0.1 and ::1, of the families in use, where the agent answers"
        " GET /healthz with 200 or 500; 0: none.",
    ),
    Key(
        name="prometheus-serve-addr",
        kind=Kind.LISTEN,
        default="",
        meaning="Where the agent serves metrics over HTTP, such as `:9962`; empty: nowhere but on"
        " its socket.",
    ),
    Key(
        name="operator-prometheus-serve-addr",
        kind=Kind.LISTEN,
        default="",
        scope=Scope.OPERATOR,
        meaning="Where the operator serves metrics over HTTP, such as `:9963`; empty: nowhere but"
        " on its socket.",
    ),
)

_OPERATOR: Final = (
    Key(
        name="identity-gc-interval",
        kind=Kind.DURATION,
        default="15m0s",
        helm="operator.identityGCInterval",
        scope=Scope.OPERATOR,
        meaning="How often identities that nothing uses are looked for.",
    ),
    Key(
        name="identity-heartbeat-timeout",
        kind=Kind.DURATION,
        default="30m0s",
        helm="operator.identityHeartbeatTimeout",
        scope=Scope.OPERATOR,
        meaning="How long an identity stays after its last use.",
    ),
    Key(
        name="cilium-endpoint-gc-interval",
        kind=Kind.DURATION,
        default="5m0s",
        helm="operator.endpointGCInterval",
        scope=Scope.OPERATOR,
        meaning="How often CiliumEndpoints without a pod are removed.",
    ),
    Key(
        name="nodes-gc-interval",
        kind=Kind.DURATION,
        default="5m0s",
        helm="operator.nodeGCInterval",
        scope=Scope.OPERATOR,
        meaning="How often CiliumNodes without a Node are removed.",
    ),
    Key(
        name="agent-not-ready-taint-key",
        kind=Kind.STRING,
        default="node.cilium.io/agent-not-ready",
        helm="agentNotReadyTaintKey",
        scope=Scope.BOTH,
        meaning="Taint of nodes whose agent is not ready.",
    ),
    Key(
        name="set-cilium-node-taints",
        kind=Kind.BOOL,
        default="false",
        helm="operator.setNodeTaints",
        scope=Scope.OPERATOR,
        meaning="Set that taint where the agent should run and does not.",
    ),
    Key(
        name="remove-cilium-node-taints",
        kind=Kind.BOOL,
        default="true",
        helm="operator.removeNodeTaints",
        scope=Scope.OPERATOR,
        meaning="Remove that taint once the agent is ready.",
    ),
    Key(
        name="set-cilium-is-up-condition",
        kind=Kind.BOOL,
        default="true",
        helm="operator.setNodeNetworkStatus",
        scope=Scope.OPERATOR,
        meaning="Set the node condition NetworkUnavailable to false when the agent is up.",
    ),
)

_LOAD_BALANCERS: Final = (
    Key(
        name="enable-lb-ipam",
        kind=Kind.BOOL,
        default="true",
        helm="enableLBIPAM",
        scope=Scope.OPERATOR,
        meaning="Give LoadBalancer Services addresses out of CiliumLoadBalancerIPPools.",
    ),
    Key(
        name="default-lb-service-ipam",
        kind=Kind.CHOICE,
        default="lbipam",
        helm="defaultLBServiceIPAM",
        scope=Scope.OPERATOR,
        choices=("lbipam", "none"),
        choices_later=("nodeipam",),
        meaning="Who gives addresses to LoadBalancer Services without a class.",
    ),
)

#: All keys we act on, grouped as in docs/CONFIGURATION.md.
GROUPS: Final = {
    "Addresses": _ADDRESSES,
    "Routing": (*_ROUTING, *TUNNEL_KEYS),
    "Masquerading": _MASQUERADE,
    "Services": SERVICES,
    "Flows": (*FLOWS, *HUBBLE_METRICS, *HUBBLE_SERVER),
    "Flow logs": HUBBLE_EXPORT,
    "Load balancers": _LOAD_BALANCERS,
    "BGP": BGP,
    "Layer 2 announcements": L2,
    "Datapath": _DATAPATH,
    "Node and identities": _NODE,
    "Operator": _OPERATOR,
    "Metrics": _METRICS,
}
