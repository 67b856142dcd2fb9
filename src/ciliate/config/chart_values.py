"""The top-level Helm values of Cilium's chart, 1.17 to 1.19, by name alone. Data.

A values file of a real installation holds many that say how pods are deployed, or that belong to
features we do not have: a lab takes them as known, and says that they have no effect in it.
"""

from typing import Final

#: What the name of a Helm value may begin with.
SECTIONS: Final[frozenset[str]] = frozenset(
    """
    MTU affinity agent agentNotReadyTaintKey aksbyocni alibabacloud annotateK8sNode annotations
    apiRateLimit authentication autoDirectNodeRoutes azure bandwidthManager bgp bgpControlPlane
    bpf bpfClockProbe certgen cgroup ciliumEndpointSlice cleanBpfState cleanState cluster clustermesh cni
    commonLabels conntrackGCInterval conntrackGCMaxInterval crdWaitTimeout customCalls daemon
    dashboards debug defaultLBServiceIPAM devices directRoutingSkipUnreachable disableEndpointCRD
    dnsPolicy dnsProxy egressGateway egressMasqueradeInterfaces enableCiliumEndpointSlice
    enableCriticalPriorityClass enableIPv4BIGTCP enableIPv4Masquerade enableIPv6BIGTCP
    enableIPv6Masquerade enableInternalTrafficPolicy enableK8sEventHandover
    enableK8sTerminatingEndpoint enableLBIPAM enableMasqueradeRouteSource
    enableNonDefaultDenyPolicies enableRuntimeDeviceDetection enableXTSocketFallback
    enableXdpPrefilter encryption endpointHealthChecking endpointLockdownOnMapOverflow
    endpointRoutes endpointStatus eni envoy envoyConfig etcd externalIPs externalWorkloads extraArgs
    extraConfig extraContainers extraEnv extraHostPathMounts extraInitContainers extraVolumeMounts
    extraVolumes forceDeviceDetection gatewayAPI gke healthChecking healthPort highScaleIPcache
    hostFirewall hostPort hubble identityAllocationMode identityChangeGracePeriod
    identityManagementMode image imagePullSecrets ingressController initResources
    installNoConntrackIptablesRules ipMasqAgent ipam iptablesRandomFully ipv4 ipv4NativeRoutingCIDR
    ipv6 ipv6NativeRoutingCIDR k8s k8sClientRateLimit k8sNetworkPolicy k8sServiceHost
    k8sServiceHostRef k8sServiceLookupConfigMapName k8sServiceLookupNamespace k8sServicePort
    keepDeprecatedLabels keepDeprecatedProbes kubeConfigPath kubeProxyReplacement
    kubeProxyReplacementHealthzBindAddr l2NeighDiscovery l2announcements l2podAnnouncements l7Proxy
    labels livenessProbe loadBalancer localRedirectPolicies localRedirectPolicy logSystemLoad maglev
    monitor name namespaceOverride nat nat46x64Gateway nodeIPAM nodePort nodeSelector
    nodeSelectorLabels nodeinit operator pmtuDiscovery podAnnotations podLabels podSecurityContext
    policyAuditMode policyCIDRMatchMode policyDenyResponse policyEnforcementMode pprof preflight
    priorityClassName prometheus proxy rbac readinessProbe remoteNodeIdentity resourceQuotas
    resources rollOutCiliumPods routingMode scheduling sctp secretsNamespaceAnnotations
    secretsNamespaceLabels securityContext serviceAccounts serviceNoBackendResponse sleepAfterInit
    socketLB standaloneDnsProxy startupProbe svcSourceRangeCheck synchronizeK8sNodes
    terminationGracePeriodSeconds tls tmpVolume tolerations tunnel tunnelPort tunnelProtocol
    tunnelSourcePortRange underlayProtocol updateStrategy upgradeCompatibility vtep
    waitForKubeProxy wellKnownIdentities
    """.split()  # noqa: SIM905 - a list of 200 literals reads worse.
)
