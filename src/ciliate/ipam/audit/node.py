"""What does not agree about one node's addresses: a snapshot in, findings out. Pure.

A finding is a fact about one moment. Pods come and go in steps, so allocator, kernel and API
disagree for moments: only a finding that has lasted is acted upon.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final

from ciliate.api.ipam_audit import Finding, Severity
from ciliate.ipam.audit.api import pod_findings, publication_findings
from ciliate.ipam.audit.evidence import evidence, finding
from ciliate.ipam.audit.kernel import interface_findings, map_findings
from ciliate.ipam.audit.node_snapshot import LocalEndpoint, NodeSnapshot
from ciliate.ipam.node import ROUTER_OWNER
from ciliate.net.address import IPAddress

#: The kind that `repair` acts on, and no other.
LEAKED: Final = "leaked-address"

#: Suffix of the owner of a restored pod's address.
_RESTORED: Final = " [restored]"


def audit_node(seen: NodeSnapshot) -> tuple[Finding, ...]:
    """Return what does not agree, errors first."""
    checks: tuple[Callable[[NodeSnapshot], Iterator[Finding]], ...] = (
        _allocator_without_users,
        _users_without_allocator,
        _shared_addresses,
        _router,
        interface_findings,
        map_findings,
        pod_findings,
        publication_findings,
    )
    found = [finding for check in checks for finding in check(seen)]
    return tuple(sorted(found, key=lambda each: (each.severity.rank, each.kind, each.object)))


def pod_of(owner: str) -> tuple[str, str]:
    """Return the pod behind an allocation's owner; an owner that is no pod has no namespace."""
    namespace, slash, name = owner.removesuffix(_RESTORED).partition("/")
    return (namespace, name) if slash else ("", owner)


# Allocator against endpoints, kernel and API


def _allocator_without_users(seen: NodeSnapshot) -> Iterator[Finding]:
    recorded = {address for endpoint in seen.endpoints for address in endpoint.addresses}
    in_kernel = _kernel_uses(seen)
    published = {address: pod for pod, each in seen.published.items() for address in each}
    reported = {address: pod for pod, each in seen.pods.items() for address in each.addresses}
    for held in seen.allocator:
        address = held.address
        if held.reserved or held.owner == ROUTER_OWNER or address in recorded:
            continue
        pod, held_by = pod_of(held.owner), f"{held.owner} holds it, of {held.cidr}"
        kernel = in_kernel.get(address)
        api = (
            (f"CiliumEndpoint {'/'.join(published[address])}" if address in published else None)
            or (f"Pod {'/'.join(reported[address])}" if address in reported else None)
            or (f"Pod {'/'.join(pod)} is here, with other addresses" if pod in seen.pods else None)
            or (f"CiliumEndpoint {'/'.join(pod)} is here" if pod in seen.published else None)
        )
        if kernel is None and api is None:
            yield finding(
                LEAKED,
                address,
                evidence(
                    allocator=held_by,
                    kernel="no interface, route or map entry has it",
                    api=f"no Pod or CiliumEndpoint {'/'.join(pod).lstrip('/')}, none with it",
                ),
                "ciliate ipam repair frees it",
                severity=Severity.WARNING,
                node=seen.node,
            )
        else:
            yield finding(
                "held-without-endpoint",
                address,
                evidence(
                    allocator=held_by,
                    agent="no endpoint has it",
                    kernel=kernel or "nothing has it",
                    api=api or "nothing has it",
                ),
                "a new agent pod takes over what the kernel has; what lives keeps its address",
                severity=Severity.WARNING,
                node=seen.node,
            )


def _kernel_uses(seen: NodeSnapshot) -> dict[IPAddress, str]:
    """Return, by address, where the kernel has it."""
    found = {
        address: f"the map endpoints delivers it to interface {entry.ifindex}"
        for address, entry in seen.delivered.items()
    }
    for index, addresses in seen.sources.items():
        found |= dict.fromkeys(addresses, f"the map interfaces lets {index} send from it")
    for link in seen.interfaces:
        found |= dict.fromkeys(link.routed, f"a route to it leads to {link.name}")
    return found


def _users_without_allocator(seen: NodeSnapshot) -> Iterator[Finding]:
    held_by_address = {held.address: held for held in seen.allocator}
    for endpoint in seen.endpoints:
        if endpoint.external_ipam:
            continue
        for address in endpoint.addresses:
            held = held_by_address.get(address)
            if held is None:
                yield finding(
                    "address-not-held",
                    address,
                    evidence(
                        agent=f"{endpoint.label} bears it",
                        allocator="it is free, and may be given to another pod",
                    ),
                    f"delete Pod {'/'.join(endpoint.pod)}, or give the node a new agent pod",
                    node=seen.node,
                )
            elif endpoint.pod[0] and pod_of(held.owner) != endpoint.pod:
                yield finding(
                    "address-of-another",
                    address,
                    evidence(
                        agent=f"{endpoint.label} bears it", allocator=f"{held.owner} holds it"
                    ),
                    f"delete Pod {'/'.join(endpoint.pod)}: it comes back with another address",
                    node=seen.node,
                )


def _shared_addresses(seen: NodeSnapshot) -> Iterator[Finding]:
    sharers: dict[IPAddress, list[LocalEndpoint]] = defaultdict(list)
    for endpoint in seen.endpoints:
        if endpoint.number not in seen.leaving:
            for address in endpoint.addresses:
                sharers[address].append(endpoint)
    for address, endpoints in sharers.items():
        if len(endpoints) > 1:
            yield finding(
                "address-used-twice",
                address,
                evidence(agent=" and ".join(endpoint.label for endpoint in endpoints)),
                f"delete Pod {'/'.join(endpoints[-1].pod)}: it comes back with another address",
                node=seen.node,
            )


def _router(seen: NodeSnapshot) -> Iterator[Finding]:
    owners = {held.address: held.owner for held in seen.allocator}
    for address in seen.router:
        if address not in seen.router_link:
            yield finding(
                "router-address-missing",
                address,
                evidence(agent="it is the router's", kernel="cilium_host does not have it"),
                "give the node a new agent pod: it puts the address back",
                node=seen.node,
            )
        owner = owners.get(address, ROUTER_OWNER)
        if owner != ROUTER_OWNER:
            yield finding(
                "address-of-another",
                address,
                evidence(agent="it is the router's", allocator=f"{owner} holds it"),
                f"delete Pod {owner}: it comes back with another address",
                node=seen.node,
            )
