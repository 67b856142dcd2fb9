"""Pods and CiliumEndpoints of all nodes, compared with each other and with nodes' CIDRs. Pure."""

from collections import defaultdict
from collections.abc import Iterator

from ciliate.api.ipam_audit import Finding, Severity
from ciliate.ipam.audit.cluster_snapshot import ClusterSnapshot, node_ip, parsed, published
from ciliate.ipam.audit.evidence import evidence, finding, joined


def addresses_twice(seen: ClusterSnapshot) -> Iterator[Finding]:
    """Yield addresses that two pods have."""
    owners: dict[str, dict[str, str]] = defaultdict(dict)
    for endpoint in seen.endpoints:
        key = f"{endpoint.metadata.namespace}/{endpoint.metadata.name}"
        node = seen.node_by_ip.get(node_ip(endpoint), node_ip(endpoint))
        for address in published(endpoint):
            owners[address][key] = f"CiliumEndpoint {key} (on {node})"
    for key, pod in seen.live_pods.items():
        if pod.metadata.deletion_timestamp is None:
            for each in pod.status.pod_ips:
                owners[each.ip].setdefault(key, f"Pod {key} (on {pod.spec.node_name})")
    for address, who in owners.items():
        if len(who) > 1:
            stale = [key for key in who if key not in seen.live_pods]
            namespace, _, name = (stale or sorted(who))[-1].partition("/")
            kind = "ciliumendpoint" if stale else "pod"
            yield finding(
                "address-used-twice",
                address,
                evidence(api=" and ".join(sorted(who.values()))),
                f"kubectl -n {namespace} delete {kind} {name}",
            )


def publications(seen: ClusterSnapshot) -> Iterator[Finding]:
    """Yield CiliumEndpoints without a Pod, without a node, or outside their node's CIDRs."""
    for endpoint in seen.endpoints:
        key = f"{endpoint.metadata.namespace}/{endpoint.metadata.name}"
        thing, addresses = f"CiliumEndpoint {key}", published(endpoint)
        if not addresses:
            continue
        node = seen.node_by_ip.get(node_ip(endpoint))
        meta = endpoint.metadata
        remedy = f"kubectl -n {meta.namespace} delete ciliumendpoint {meta.name}"
        if node is None:
            yield finding(
                "published-on-unknown-node",
                thing,
                evidence(api=f"its node is {node_ip(endpoint) or 'not named'}, no CiliumNode's"),
                remedy,
            )
        pod = seen.live_pods.get(key)
        if pod is None:
            yield finding(
                "published-without-pod",
                thing,
                evidence(api=f"it has {joined(addresses)}; there is no Pod {key} that runs"),
                remedy,
                node=node or "",
                severity=Severity.WARNING,
            )
        elif node not in seen.reports and pod.status.pod_ips:
            reported = {each.ip for each in pod.status.pod_ips}
            if reported.isdisjoint(addresses):
                yield finding(
                    "published-address-differs",
                    thing,
                    evidence(api=f"it has {joined(addresses)}, its Pod {joined(reported)}"),
                    remedy,
                    node=node or "",
                )
        if node is not None and not seen.plugins_addresses:
            yield from _outside_claims(seen, thing, addresses, node)


def _outside_claims(
    seen: ClusterSnapshot, thing: str, addresses: tuple[str, ...], node: str
) -> Iterator[Finding]:
    claims = seen.claims_of.get(node, [])
    for host in parsed(addresses):
        if not any(claim.cidr.contains(host) for claim in claims):
            yield finding(
                "published-outside-cidrs",
                thing,
                evidence(
                    api=f"it has {joined(addresses)}; CiliumNode {node} has or drains"
                    f" {joined(str(claim.cidr) for claim in claims)}"
                ),
                "nodes route to it one by one; its agent should drain its CIDR: does it run?",
                node=node,
                severity=Severity.WARNING,
            )
            return
