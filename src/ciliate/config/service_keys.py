"""The keys of Services that we act on: a group of `config.supported`, in a module of its own. Data."""

from typing import Final

from ciliate.config.key import Key, Kind

#: Prime table sizes that Cilium takes. One of them for all nodes, so that all choose alike.
MAGLEV_TABLE_SIZES: Final = (
    "251",
    "509",
    "1021",
    "2039",
    "4093",
    "8191",
    "16381",
    "32749",
    "65521",
    "131071",
)

_WHERE: Final = (
    Key(
        name="kube-proxy-replacement",
        kind=Kind.BOOL,
        default="false",
        helm="kubeProxyReplacement",
        meaning="Serve Services of every type in eBPF, at sockets and per packet: no kube-proxy is"
        " needed. Turns on session affinity and `bpf-lb-sock`, whatever they say.",
    ),
    Key(
        name="bpf-lb-sock",
        kind=Kind.BOOL,
        default="false",
        helm="socketLB.enabled",
        meaning="Without the former: translate ClusterIPs where a process connects; kube-proxy"
        " does the rest.",
    ),
    Key(
        name="bpf-lb-sock-hostns-only",
        kind=Kind.BOOL,
        default="false",
        helm="socketLB.hostNamespaceOnly",
        meaning="Translate at sockets of the node's own processes alone; what pods send is"
        " translated per packet.",
    ),
    Key(
        name="bpf-lb-sock-terminate-pod-connections",
        kind=Kind.BOOL,
        default="true",
        helm="socketLB.terminatePodConnections",
        meaning="End sockets whose endpoint is gone in pods too, not only in the node's namespace.",
    ),
    Key(
        name="lb-sock-terminate-all-protos",
        kind=Kind.BOOL,
        default="false",
        meaning="End TCP sockets too; else UDP alone, which nobody else would tell.",
    ),
    Key(
        name="cgroup-root",
        kind=Kind.STRING,
        default="",
        helm="cgroup.hostRoot",
        meaning="Where cgroup version 2 is mounted, for the programs at sockets; empty, or nothing"
        " mounted there: found in the mount table.",
    ),
    Key(
        name="k8s-service-proxy-name",
        kind=Kind.STRING,
        default="",
        helm="k8s.serviceProxyName",
        meaning="Serve only Services whose label `service.kubernetes.io/service-proxy-name` has"
        " this value; empty: only those without the label.",
    ),
)

_NODE_PORTS: Final = (
    Key(
        name="node-port-range",
        kind=Kind.PORT_RANGE,
        default="30000,32767",
        helm="nodePort.range",
        meaning="Ports of NodePort services; masqueraded flows get the ports above.",
    ),
    Key(
        name="remote-node-port-scope",
        kind=Kind.CHOICE,
        default="inside",
        choices=("inside", "outside"),
        meaning="How a pod or node is served that asks a node port of another node: where it"
        " stands, as inside; or by the node that it asks, as a client outside.",
    ),
    Key(
        name="nodeport-addresses",
        kind=Kind.IP_CIDRS,
        default="",
        helm="nodePort.addresses",
        meaning="Prefixes of those node addresses that serve NodePorts; empty: the first suitable"
        " one of each device and family, a private one if there is.",
    ),
    Key(
        name="enable-auto-protect-node-port-range",
        kind=Kind.BOOL,
        default="true",
        helm="nodePort.autoProtectPortRange",
        meaning="Reserve `node-port-range` where it overlaps the node's ephemeral ports; false:"
        " refuse to start there.",
    ),
    Key(
        name="node-port-bind-protection",
        kind=Kind.BOOL,
        default="true",
        helm="nodePort.bindProtection",
        meaning="Refuse that a process of the node binds a port that a Service serves.",
    ),
    Key(
        name="enable-health-check-nodeport",
        kind=Kind.BOOL,
        default="true",
        helm="nodePort.enableHealthCheck",
        meaning="Answer load balancers at `healthCheckNodePort` whether this node has endpoints.",
    ),
    Key(
        name="enable-health-check-loadbalancer-ip",
        kind=Kind.BOOL,
        default="false",
        helm="nodePort.enableHealthCheckLoadBalancerIP",
        meaning="The same at LoadBalancer addresses; only `false` is supported.",
    ),
    Key(
        name="kube-proxy-replacement-healthz-bind-address",
        kind=Kind.LISTEN,
        default="",
        helm="kubeProxyReplacementHealthzBindAddr",
        meaning="Where the agent answers GET /healthz as kube-proxy does, such as `0.0.0.0:10256`;"
        " empty: nowhere.",
    ),
)

_SELECTION: Final = (
    Key(
        name="bpf-lb-mode",
        kind=Kind.CHOICE,
        default="snat",
        helm="loadBalancer.mode",
        choices=("snat",),
        choices_later=("dsr", "hybrid"),
        meaning="How what comes from outside reaches an endpoint of another node.",
    ),
    Key(
        name="bpf-lb-algorithm",
        kind=Kind.CHOICE,
        default="random",
        helm="loadBalancer.algorithm",
        choices=("random", "maglev"),
        meaning="How an endpoint is chosen for what comes from outside.",
    ),
    Key(
        name="bpf-lb-maglev-table-size",
        kind=Kind.CHOICE,
        default="16381",
        helm="maglev.tableSize",
        choices=MAGLEV_TABLE_SIZES,
        meaning="Cells of a Maglev table: a hundred times the endpoints of a Service, or more; the"
        " same on all nodes.",
    ),
    Key(
        name="bpf-lb-maglev-hash-seed",
        kind=Kind.STRING,
        default="JLfvgnHc2kaSUFaI",
        helm="maglev.hashSeed",
        meaning="Seed of Maglev's tables, 12 octets in base64; the same on all nodes.",
    ),
    Key(
        name="bpf-lb-acceleration",
        kind=Kind.CHOICE,
        default="disabled",
        helm="loadBalancer.acceleration",
        choices=("disabled",),
        choices_later=("native", "best-effort", "testing-only"),
        meaning="Translate in the device's driver (XDP).",
    ),
    Key(
        name="enable-session-affinity",
        kind=Kind.BOOL,
        default="false",
        helm="sessionAffinity",
        meaning="Honour `sessionAffinity: ClientIP`; always so with `kube-proxy-replacement`.",
    ),
    Key(
        name="enable-service-topology",
        kind=Kind.BOOL,
        default="false",
        helm="loadBalancer.serviceTopology",
        meaning="Honour the annotation `service.kubernetes.io/topology-mode`;"
        " `trafficDistribution` is honoured always.",
    ),
)

_ACCESS: Final = (
    Key(
        name="bpf-lb-external-clusterip",
        kind=Kind.BOOL,
        default="false",
        helm="bpf.lbExternalClusterIP",
        meaning="Serve ClusterIPs to what comes from outside too.",
    ),
    Key(
        name="enable-svc-source-range-check",
        kind=Kind.BOOL,
        default="true",
        helm="svcSourceRangeCheck",
        meaning="Enforce `loadBalancerSourceRanges`; false: a load balancer before the node does.",
    ),
    Key(
        name="bpf-lb-source-range-all-types",
        kind=Kind.BOOL,
        default="false",
        helm="bpf.lbSourceRangeAllTypes",
        meaning="Enforce them at the Service's other addresses too, such as its NodePort.",
    ),
    Key(
        name="disable-external-ip-mitigation",
        kind=Kind.BOOL,
        default="false",
        helm="bpf.disableExternalIPMitigation",
        meaning="Serve `externalIPs` that are no address of a node to pods too, which lets who may"
        " write Services take over what pods send there (CVE-2020-8554).",
    ),
    Key(
        name="service-no-backend-response",
        kind=Kind.CHOICE,
        default="reject",
        helm="serviceNoBackendResponse",
        choices=("reject", "drop"),
        meaning="What a packet to a Service without endpoints meets: an ICMP error, or nothing.",
    ),
    Key(
        name="ipv4-service-loopback-address",
        kind=Kind.IPV4,
        default="169.254.42.1",
        meaning="Source of what a pod sends to itself through a Service, where it is translated"
        " per packet.",
    ),
    Key(
        name="ipv6-service-loopback-address",
        kind=Kind.IPV6,
        default="64:ff9b:1::a9fe:2a01",
        meaning="The same for IPv6. Not link-local: a pod's stack would look for it on its link.",
    ),
)

_SIZES: Final = (
    Key(
        name="bpf-lb-map-max",
        kind=Kind.INT,
        default="65536",
        helm="bpf.lbMapMax",
        meaning="Entries of each map of Services, unless one of the settings below names its size.",
    ),
    Key(
        name="bpf-lb-service-map-max",
        kind=Kind.INT,
        default="",
        meaning="Frontends, and sets of endpoints that they lead to.",
    ),
    Key(
        name="bpf-lb-service-backend-map-max",
        kind=Kind.INT,
        default="",
        meaning="Endpoints in all sets; as many as the former when that is more.",
    ),
    Key(
        name="bpf-lb-affinity-map-max",
        kind=Kind.INT,
        default="",
        meaning="Clients that session affinity remembers.",
    ),
    Key(
        name="bpf-lb-source-range-map-max",
        kind=Kind.INT,
        default="",
        meaning="Prefixes of `loadBalancerSourceRanges`.",
    ),
    Key(
        name="bpf-lb-maglev-map-max",
        kind=Kind.INT,
        default="",
        meaning="Sets of endpoints with a Maglev table.",
    ),
)

SERVICES: Final = (*_WHERE, *_NODE_PORTS, *_SELECTION, *_ACCESS, *_SIZES)
