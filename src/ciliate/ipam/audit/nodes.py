"""Nodes and CiliumNodes, and the CIDRs that the agents report. Pure."""

from collections import defaultdict
from collections.abc import Iterator

from ciliate.api.cilium_node import CiliumNode
from ciliate.api.core import Node
from ciliate.api.ipam_audit import Finding, Severity
from ciliate.api.node_cidrs import NodeCIDRError, node_cidrs
from ciliate.ipam.audit.cluster_snapshot import ClusterSnapshot, node_ip, parsed, published
from ciliate.ipam.audit.evidence import evidence, finding, joined
from ciliate.ipam.cidr_set import Cidr


def cidrs_of_another_mode(seen: ClusterSnapshot) -> Iterator[Finding]:
    """Yield CIDRs in a field that the mode does not use."""
    for node in seen.cilium_nodes:
        ipam, name = node.spec.ipam, node.metadata.name
        pools = [cidr for pool in ipam.pools.allocated for cidr in pool.cidrs]
        leftover = ipam.pod_cidrs if seen.mode == "multi-pool" else tuple(pools)
        if leftover:
            where = "podCIDRs" if seen.mode == "multi-pool" else "pools.allocated"
            yield finding(
                "cidrs-of-another-mode",
                ", ".join(leftover),
                evidence(api=f"CiliumNode {name} has it in {where}; the mode is {seen.mode}"),
                f"the node's agent takes it out when it starts in mode {seen.mode}",
                node=name,
                severity=Severity.WARNING,
            )


def node_findings(seen: ClusterSnapshot) -> Iterator[Finding]:
    """Yield CiliumNodes without CIDR, with an operator's error, or without their Node."""
    nodes = {node.metadata.name: node for node in seen.nodes}
    for node in seen.cilium_nodes:
        name, problem = node.metadata.name, node.status.ipam.operator_status.error
        kubernetes = nodes.get(name)
        if kubernetes is None:
            yield finding(
                "cilium-node-without-node",
                f"CiliumNode {name}",
                evidence(api="there is no Node of that name"),
                f"kubectl delete ciliumnode {name}: its CIDRs return to the pools",
                node=name,
                severity=Severity.WARNING,
            )
            continue
        if problem:
            yield finding(
                "operator-error",
                f"CiliumNode {name}",
                evidence(api=f"operator-status.error: {problem}"),
                "`ciliate ipam status` shows how full the pools are",
                node=name,
            )
        yield from _without_cidr(seen, node, problem)
        if seen.mode == "kubernetes":
            yield from _differing_from_node(seen, kubernetes, node)


def _differing_from_node(
    seen: ClusterSnapshot, kubernetes: Node, node: CiliumNode
) -> Iterator[Finding]:
    name = node.metadata.name
    try:
        wanted_cidrs = node_cidrs(kubernetes)
    except NodeCIDRError as error:
        yield finding(
            "unreadable-cidr",
            error.text,
            evidence(api=f"Node {name} has it: {error.field}"),
            f"correct it: kubectl edit node {name}",
            node=name,
        )
        return
    wanted_cidrs = tuple(each for each in wanted_cidrs if each.cidr.version in seen.versions)
    wanted = {str(each.cidr) for each in wanted_cidrs}
    cidrs = parsed(node.spec.ipam.pod_cidrs)
    has = {str(cidr) for cidr in cidrs if cidr.version in seen.versions}
    if wanted and wanted != has:
        said = ", ".join(dict.fromkeys(each.field for each in wanted_cidrs))
        yield finding(
            "node-cidrs-differ",
            f"CiliumNode {name}",
            evidence(api=f"{said} says {joined(wanted)}, it says {joined(has)}"),
            "the node's agent writes what the Node says: does it run?",
            node=name,
        )


def _without_cidr(seen: ClusterSnapshot, node: CiliumNode, problem: str) -> Iterator[Finding]:
    if seen.mode == "delegated-plugin":
        return
    name, has = node.metadata.name, {cidr.version for cidr in parsed(node.current_cidrs)}
    operator = seen.installation.operator_deployment_name
    for version in seen.versions:
        if version not in has and _wants(seen, node, version):
            report = seen.reports.get(name)
            said = {"agent": report.waiting} if report is not None and report.waiting else {}
            yield finding(
                "node-without-cidr",
                f"CiliumNode {name}",
                evidence(api=f"it has no IPv{version} CIDR", **said),
                "see its operator-status.error" if problem else f"does {operator} run?",
                node=name,
            )


def _wants(seen: ClusterSnapshot, node: CiliumNode, version: int) -> bool:
    """Whether a node should have a CIDR: in multi-pool only if it requests addresses."""
    if seen.mode != "multi-pool":
        return True
    report = seen.reports.get(node.metadata.name)
    if report is not None and report.waiting:
        return True
    needs = [each.needed for each in node.spec.ipam.pools.requested]
    return any(each.ipv4_addrs if version == 4 else each.ipv6_addrs for each in needs)


def idle_draining(seen: ClusterSnapshot) -> Iterator[Finding]:
    """Yield CIDRs that are drained though no pod has an address in them."""
    lived_in: dict[str, list[Cidr]] = defaultdict(list)
    for endpoint in seen.endpoints:
        node = seen.node_by_ip.get(node_ip(endpoint), "")
        lived_in[node] += parsed(published(endpoint))
    for pod in seen.live_pods.values():
        lived_in[pod.spec.node_name] += parsed(each.ip for each in pod.status.pod_ips)
    for claim in seen.claims:
        if not claim.draining or any(claim.cidr.contains(a) for a in lived_in[claim.node]):
            continue
        report = seen.reports.get(claim.node)
        held = {c.cidr: c.in_use for c in report.cidrs} if report is not None else {}
        if held.get(str(claim.cidr)):
            continue  # Its agent holds addresses of it, and reports those itself.
        agent = "it holds nothing of it" if report is not None else "not asked"
        yield finding(
            "draining-cidr-idle",
            claim.cidr,
            evidence(
                api=f"CiliumNode {claim.node} drains it; no Pod or CiliumEndpoint is in it",
                agent=agent,
            ),
            "the node's agent gives it back: does it run?",
            node=claim.node,
            severity=Severity.WARNING,
        )


def agent_findings(seen: ClusterSnapshot) -> Iterator[Finding]:
    """Yield nodes whose agent uses other CIDRs than its CiliumNode has."""
    names = seen.installation
    for node in seen.cilium_nodes:
        report = seen.reports.get(node.metadata.name)
        if report is None or seen.mode == "delegated-plugin":
            continue
        uses = {c.cidr for c in report.cidrs if c.state == "current"}
        listed = {
            str(cidr) for cidr in parsed(node.current_cidrs) if cidr.version in seen.versions
        } - seen.drained(node)
        if uses != listed:
            yield finding(
                "cidrs-differ",
                f"CiliumNode {node.metadata.name}",
                evidence(
                    api=f"it has {joined(listed)}",
                    agent=f"it gives addresses out of {joined(uses)}",
                ),
                f"the agent's log says why: `kubectl -n {names.namespace} logs"
                f" ds/{names.agent_daemonset_name}`",
                node=node.metadata.name,
            )
