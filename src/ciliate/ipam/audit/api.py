"""The agent's endpoints against the API: Pods and CiliumEndpoints of the node. Pure."""

from collections import defaultdict
from collections.abc import Iterator

from ciliate.api.ipam_audit import Finding, Severity
from ciliate.ipam.audit.evidence import evidence, finding, listed, settled
from ciliate.ipam.audit.node_snapshot import LocalEndpoint, NodeSnapshot
from ciliate.net.address import IPAddress


def pod_findings(seen: NodeSnapshot) -> Iterator[Finding]:
    """Yield Pods without an endpoint or with another address, and endpoints without a Pod."""
    endpoints: dict[tuple[str, str], list[LocalEndpoint]] = defaultdict(list)
    for endpoint in seen.endpoints:
        endpoints[endpoint.pod].append(endpoint)
    for pod in seen.pods.values():
        name, here = f"Pod {'/'.join(pod.pod)}", endpoints.get(pod.pod, [])
        if pod.leaving or not pod.addresses:
            continue
        if not here:
            yield finding(
                "pod-without-endpoint",
                name,
                evidence(
                    api=f"it runs here with {listed(pod.addresses)}", agent="no endpoint is its"
                ),
                "delete it; a pod from before the agent came has no network of ours",
                node=seen.node,
            )
            continue
        owned = {address for endpoint in here for address in endpoint.addresses}
        if not owned.intersection(pod.addresses):
            yield finding(
                "pod-address-differs",
                name,
                evidence(
                    api=f"status.podIPs says {listed(pod.addresses)}",
                    agent=f"{here[0].label} bears {listed(owned)}",
                ),
                "delete it: Services send its traffic to an address that is not its own",
                node=seen.node,
            )
    for endpoint in settled(seen, ours=False):
        if endpoint.pod[0] and endpoint.pod not in seen.pods:
            yield finding(
                "endpoint-without-pod",
                endpoint.label,
                evidence(
                    agent=f"{endpoint.interface} bears {listed(endpoint.addresses)}",
                    api="no such Pod runs on this node",
                ),
                "the container runtime has not told of its end: does the kubelet run?"
                " `crictl pods` shows what it holds",
                severity=Severity.WARNING,
                node=seen.node,
            )


def publication_findings(seen: NodeSnapshot) -> Iterator[Finding]:
    """Yield CiliumEndpoints that are old, wrong or missing."""
    endpoints: dict[tuple[str, str], set[IPAddress]] = defaultdict(set)
    for endpoint in settled(seen, ours=False):
        endpoints[endpoint.pod].update(endpoint.addresses)
    for pod, addresses in seen.published.items():
        name = f"CiliumEndpoint {'/'.join(pod)}"
        if pod not in endpoints:
            yield finding(
                "published-without-endpoint",
                name,
                evidence(
                    api=f"it is on this node with {listed(addresses)}", agent="no endpoint is its"
                ),
                f"kubectl -n {pod[0]} delete ciliumendpoint {pod[1]}",
                node=seen.node,
            )
        elif not endpoints[pod].issuperset(addresses):
            yield finding(
                "published-address-differs",
                name,
                evidence(
                    api=f"it has {listed(addresses)}",
                    agent=f"the pod bears {listed(endpoints[pod])}",
                ),
                f"kubectl -n {pod[0]} delete ciliumendpoint {pod[1]}: the agent writes it anew",
                node=seen.node,
            )
    for pod, owned in endpoints.items():
        if pod in seen.pods and pod not in seen.published and not seen.pods[pod].leaving:
            yield finding(
                "endpoint-unpublished",
                f"Pod {'/'.join(pod)}",
                evidence(agent=f"it bears {listed(owned)}", api="it has no CiliumEndpoint"),
                "other nodes do not know its identity: `cilium-dbg status --verbose` says why",
                node=seen.node,
            )
