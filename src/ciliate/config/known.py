"""Keys that Cilium knows and this version does not act on.

A value found under one of them is read (a text of the wrong form is still an error of the
operator's) and reported as not supported where it asks for something; it changes nothing.
They are the keys of a 1.17.6 cluster's ConfigMap (`lab/cilium-config.json`) and those that the
features here have in Cilium 1.17 to 1.19.
"""

from typing import Final

from ciliate.config.key import Key, Kind

_B: Final = Kind.BOOL
_I: Final = Kind.INT
_D: Final = Kind.DURATION
_S: Final = Kind.STRING
_W: Final = Kind.WORDS

_TABLE: Final[tuple[tuple[str, Kind, str], ...]] = (
    ("annotate-k8s-node", _B, "Write the node's addresses as annotations of the Node."),
    ("arping-refresh-period", _D, "How often neighbour entries of other nodes are refreshed."),
    ("bpf-ct-global-any-max", _I, "Entries of the connection tracking map of UDP and ICMP."),
    ("bpf-distributed-lru", _B, "LRU lists of the maps per CPU."),
    ("bpf-events-policy-verdict-enabled", _B, "Events for policy verdicts."),
    ("bpf-lb-algorithm-annotation", _B, "A service's algorithm by annotation."),
    ("bpf-lb-dsr-dispatch", _S, "How DSR tells the Service's address."),
    ("bpf-lb-enable-wildcard-entries", _B, "Refuse unknown ports of ClusterIPs; always so here."),
    ("bpf-lb-mode-annotation", _B, "A service's forwarding mode by annotation."),
    ("bpf-lb-proto-diff", _B, "Tell a Service's protocols apart; always so here."),
    ("bpf-lb-rev-nat-map-max", _I, "Entries of a map of frontends by number; there is none here."),
    ("bpf-policy-map-max", _I, "Entries of an endpoint's policy map."),
    ("bpf-sock-rev-map-max", _I, "Entries of a map of translated sockets; there is none here."),
    ("bypass-ip-availability-upon-restore", _B, "Restore endpoints before their IPs are offered."),
    ("clustermesh-enable-endpoint-sync", _B, "Endpoints shared between clusters."),
    ("clustermesh-enable-mcs-api", _B, "Multi-cluster services API."),
    ("cni-external-routing", _B, "Another plugin routes."),
    ("conntrack-gc-interval", _D, "Fixed interval of connection tracking's clean-up."),
    ("conntrack-gc-max-interval", _D, "Bound of that interval."),
    ("controller-group-metrics", _W, "Controllers with metrics of their own."),
    ("datapath-mode", _S, "Kind of pod interface: veth, or netkit."),
    ("debug-verbose", _W, "Further debugging output."),
    ("derive-masq-ip-addr-from-device", _S, "Masquerade with this device's address everywhere."),
    ("dnsproxy-enable-transparent-mode", _B, "DNS proxy keeps the pod's address."),
    ("dnsproxy-socket-linger-timeout", _I, "DNS proxy: seconds a socket lingers."),
    ("egress-gateway-reconciliation-trigger-interval", _D, "Debounce of egress gateway changes."),
    ("enable-bpf-clock-probe", _B, "Choose the programs' clock by probing."),
    ("enable-cluster-pool-to-multi-pool-migration", _B, "Move nodes to multi-pool while running."),
    ("enable-endpoint-health-checking", _B, "A health endpoint on each node."),
    (
        "enable-endpoint-lockdown-on-policy-overflow",
        _B,
        "Lock endpoints whose policy map is full.",
    ),
    ("enable-experimental-lb", _B, "New control plane of services."),
    ("enable-external-ips", _B, "externalIPs; part of kube-proxy-replacement."),
    ("enable-health-checking", _B, "Probes between nodes."),
    ("enable-host-legacy-routing", _B, "Carry packets through the host's stack."),
    ("enable-host-port", _B, "hostPort; part of kube-proxy-replacement."),
    ("enable-internal-traffic-policy", _B, "internalTrafficPolicy of services."),
    ("enable-ipv4-big-tcp", _B, "BIG TCP for IPv4."),
    ("enable-ipv4-fragment-tracking", _B, "Follow fragments to their ports; always on here."),
    ("enable-ipv6-big-tcp", _B, "BIG TCP for IPv6."),
    ("enable-ipv6-fragment-tracking", _B, "Follow fragments to their ports; always on here."),
    ("enable-k8s-endpoint-slice", _B, "Read EndpointSlices; always so here."),
    ("enable-k8s-networkpolicy", _B, "NetworkPolicy objects."),
    ("enable-k8s-terminating-endpoint", _B, "Terminating endpoints of services."),
    ("enable-l2-neigh-discovery", _B, "Keep neighbour entries of next hops resolved."),
    ("enable-l7-proxy", _B, "The L7 proxy."),
    ("enable-local-node-route", _B, "Route of the node's pod CIDR to cilium_host."),
    ("enable-local-redirect-policy", _B, "CiliumLocalRedirectPolicy objects."),
    ("enable-metrics", _B, "Prometheus metrics of the operator."),
    ("enable-node-port", _B, "NodePort services; part of kube-proxy-replacement."),
    ("enable-node-selector-labels", _B, "Nodes' labels in policies."),
    ("enable-non-default-deny-policies", _B, "Policies without default deny."),
    ("enable-policy", _S, "When policy is enforced: default, always, never."),
    ("enable-policy-secrets-sync", _B, "Copy policies' secrets to one namespace."),
    ("enable-remote-node-masquerade", _B, "Masquerade toward other nodes too."),
    ("enable-runtime-device-detection", _B, "Follow devices that come and go."),
    ("enable-tcx", _B, "Attach by TCX where the kernel has it; always so here."),
    ("enable-unreachable-routes", _B, "Leave an unreachable route where a pod was."),
    ("enable-vtep", _B, "VXLAN tunnel end points outside the cluster."),
    ("enable-well-known-identities", _B, "Fixed identities of known workloads."),
    ("enable-xt-socket-fallback", _B, "Fall back where xt_socket is missing."),
    ("envoy-access-log-buffer-size", _I, "Envoy: bytes of the access log's buffer."),
    ("envoy-base-id", _I, "Envoy: shared memory id."),
    ("envoy-keep-cap-netbindservice", _B, "Envoy: may bind low ports."),
    ("external-envoy-proxy", _B, "Envoy in a DaemonSet of its own."),
    ("health-check-icmp-failure-threshold", _I, "Lost probes before a node is unreachable."),
    ("http-retry-count", _I, "Proxy: retries."),
    (
        "install-no-conntrack-iptables-rules",
        _B,
        "Keep pods' packets out of netfilter's conntrack.",
    ),
    ("install-uplink-routes-for-delegated-ipam", _B, "Uplink routes for a delegated IPAM plugin."),
    ("ipam-max-allocate", _I, "Most addresses of a node (cloud modes)."),
    ("ipam-min-allocate", _I, "Fewest addresses of a node (cloud modes)."),
    ("ipam-pre-allocate", _I, "Addresses kept ready (cloud modes)."),
    ("ipam-static-ip-tags", _W, "Tags of static addresses (cloud modes)."),
    ("ipv4-service-range", _S, "Further IPv4 prefix routed to cilium_host."),
    ("ipv6-service-range", _S, "Further IPv6 prefix routed to cilium_host."),
    ("lb-init-wait-timeout", _D, "Longest wait for all Services at start."),
    ("lb-pressure-metrics-interval", _D, "How often entries of service maps are counted."),
    ("lb-reflector-wait-time", _D, "How long changes of Services are gathered."),
    ("limit-ipam-api-burst", _I, "Cloud API: size of the token bucket."),
    ("limit-ipam-api-qps", Kind.FLOAT, "Cloud API: tokens a second."),
    ("max-connected-clusters", _I, "Most clusters of a mesh."),
    ("mesh-auth-enabled", _B, "Mutual authentication."),
    ("mesh-auth-gc-interval", _D, "Mutual authentication: clean-up."),
    ("mesh-auth-queue-size", _I, "Mutual authentication: queue."),
    ("mesh-auth-rotated-identities-queue-size", _I, "Mutual authentication: queue of rotations."),
    ("multi-pool-migration-workers", _I, "Nodes migrated at once."),
    ("nat-map-stats-entries", _I, "Busiest NAT targets kept."),
    ("nat-map-stats-interval", _D, "How often they are computed."),
    ("only-masquerade-default-pool", _B, "Masquerade the default pool alone (multi-pool)."),
    ("operator-api-serve-addr", _S, "Operator's health API."),
    ("parallel-alloc-workers", _I, "Cloud API: calls at once."),
    ("policy-cidr-match-mode", _W, "Whether CIDR policies match nodes."),
    ("policy-secrets-namespace", _S, "Namespace of policies' secrets."),
    ("policy-secrets-only-from-secrets-namespace", _B, "Read policies' secrets there alone."),
    ("preallocate-bpf-maps", _B, "Allocate the maps' memory at once."),
    ("proxy-connect-timeout", _I, "Proxy: seconds to connect."),
    ("proxy-idle-timeout-seconds", _I, "Proxy: seconds of idleness."),
    ("proxy-initial-fetch-timeout", _I, "Proxy: seconds for its first configuration."),
    ("proxy-max-concurrent-retries", _I, "Proxy: retries at once."),
    ("proxy-max-connection-duration-seconds", _I, "Proxy: longest connection."),
    ("proxy-max-requests-per-connection", _I, "Proxy: most requests of a connection."),
    ("proxy-xff-num-trusted-hops-egress", _I, "Proxy: trusted hops, leaving."),
    ("proxy-xff-num-trusted-hops-ingress", _I, "Proxy: trusted hops, entering."),
    ("read-cni-conf", _S, "Take the CNI configuration from this file."),
    ("synchronize-k8s-nodes", _B, "Remove CiliumNodes of gone Nodes; see nodes-gc-interval."),
    ("tofqdns-dns-reject-response-code", _S, "DNS proxy: answer when denied."),
    ("tofqdns-enable-dns-compression", _B, "DNS proxy: compress names."),
    ("tofqdns-endpoint-max-ip-per-hostname", _I, "DNS proxy: addresses kept per name."),
    ("tofqdns-idle-connection-grace-period", _D, "DNS proxy: grace of idle connections."),
    ("tofqdns-max-deferred-connection-deletes", _I, "DNS proxy: deferred deletions."),
    ("tofqdns-proxy-response-max-delay", _D, "DNS proxy: longest wait for policy."),
    ("trace-sock", _B, "Events for translations at sockets."),
    ("unmanaged-pod-watcher-interval", _I, "Seconds between looks for pods without us."),
    ("vtep-cidr", _W, "VTEP: prefixes."),
    ("vtep-endpoint", _W, "VTEP: addresses."),
    ("vtep-mac", _W, "VTEP: MAC addresses."),
    ("vtep-mask", _S, "VTEP: mask."),
)

#: Switches whose effect we always have, or that only limit a feature we lack: turned on, they ask
#: for nothing that is missing.
SATISFIED: Final = frozenset(
    {
        "bpf-lb-enable-wildcard-entries",
        "bpf-lb-proto-diff",
        "enable-internal-traffic-policy",
        "enable-ipv4-fragment-tracking",
        "enable-ipv6-fragment-tracking",
        "enable-k8s-endpoint-slice",
        "enable-k8s-terminating-endpoint",
        "enable-runtime-device-detection",
        "enable-tcx",
        "enable-xt-socket-fallback",
        "synchronize-k8s-nodes",
    }
)

#: Switches that another one turns on with much else; alone they ask for what we cannot give apart.
PART_OF: Final = {
    "enable-external-ips": "kube-proxy-replacement",
    "enable-host-port": "kube-proxy-replacement",
    "enable-node-port": "kube-proxy-replacement",
}

#: All keys that are known only.
KNOWN: Final = tuple(Key(name=name, kind=kind, meaning=text) for name, kind, text in _TABLE)
