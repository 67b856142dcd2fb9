"""What this node may announce, and where, out of the policies. Pure.

A node may announce a Service that a policy selects for it; which of several does, a Lease decides.
An address that Services share is announced with the first of them alone, by namespace and name: so
one node answers for it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from ciliate.api.l2_announcement_policy import (
    CiliumL2AnnouncementPolicy,
    L2AnnouncementPolicySpec,
)
from ciliate.api.label_selectors import matches
from ciliate.api.resource import ObjectKey
from ciliate.l2_announcements.lease_names import lease_names
from ciliate.l2_announcements.patterns import pattern_problem, selects_device
from ciliate.net.address import IPAddress
from ciliate.node.announced_services import KnownService

#: Services that one node competes for: each costs requests all the time.
SERVICES_MAX: Final = 1024
#: Addresses at devices of one node, as many as `l2_responders` has room for.
TARGETS_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class Device:
    """A device of this node that may answer."""

    index: int
    name: str
    mac: bytes


@dataclass(frozen=True, slots=True)
class Node:
    """What the plan needs to know of this node."""

    labels: Mapping[str, str]
    devices: tuple[Device, ...]
    local: Collection[tuple[ObjectKey, int]] = frozenset()  # Services with an endpoint here.


@dataclass(frozen=True, slots=True)
class Candidate:
    """A Service that this node may announce: the Lease, and addresses by the indexes of devices."""

    lease: str
    targets: frozenset[tuple[IPAddress, int]]


@dataclass(frozen=True, slots=True)
class Plan:
    """The candidates, and what was left out."""

    candidates: Mapping[ObjectKey, Candidate] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def policy_problem(spec: L2AnnouncementPolicySpec) -> str:
    """Return why nodes cannot act on a policy; empty: they can."""
    if not (spec.external_ips or spec.load_balancer_ips):
        return (
            "spec.externalIPs and spec.loadBalancerIPs are both false, so nothing is announced:"
            " set one of them to true"
        )
    return pattern_problem(spec.interfaces)


def leases_wanted(
    policies: Iterable[CiliumL2AnnouncementPolicy], services: Iterable[KnownService]
) -> Mapping[ObjectKey, str]:
    """Return the Leases of all Services that some node may announce."""
    specs, known = _sound(policies), tuple(services)
    names = lease_names(each.key for each in known)
    return {each.key: names[each.key] for each in known if any(_addresses(specs, each))}


def plan(
    policies: Iterable[CiliumL2AnnouncementPolicy], services: Iterable[KnownService], node: Node
) -> Plan:
    """Return what a node may announce."""
    specs = _sound(policies)
    known = sorted(services, key=lambda each: each.key)
    if not specs:
        return Plan()
    names = lease_names(each.key for each in known)
    owners: dict[IPAddress, ObjectKey] = {}
    for service in known:
        for _, address in _addresses(specs, service):
            owners.setdefault(address, service.key)
    here = tuple(
        s for s in specs if s.node_selector is None or matches(s.node_selector, node.labels)
    )
    found: dict[ObjectKey, Candidate] = {}
    room = TARGETS_MAX
    for service in known:
        if not service.is_served_on(node.labels):
            continue
        targets = frozenset(
            target for target in _targets(here, service, node) if owners[target[0]] == service.key
        )
        if not targets:
            continue
        if len(found) == SERVICES_MAX or len(targets) > room:
            problem = (
                f"Service {service.namespace}/{service.name} and others behind it are not announced"
                f" here: a node takes {SERVICES_MAX} Services and {TARGETS_MAX} addresses at"
                " devices; select fewer by spec.serviceSelector or spec.interfaces"
            )
            return Plan(found, (problem,))
        room -= len(targets)
        found[service.key] = Candidate(names[service.key], targets)
    return Plan(found)


def _sound(policies: Iterable[CiliumL2AnnouncementPolicy]) -> tuple[L2AnnouncementPolicySpec, ...]:
    return tuple(each.spec for each in policies if not policy_problem(each.spec))


def _addresses(
    specs: Iterable[L2AnnouncementPolicySpec], service: KnownService
) -> Iterator[tuple[L2AnnouncementPolicySpec, IPAddress]]:
    """Yield the addresses of a Service that policies select, each with its policy."""
    labels = service.selectable
    for spec in specs:
        if spec.service_selector is not None and not matches(spec.service_selector, labels):
            continue
        chosen = (
            *(service.load_balancer_ips if spec.load_balancer_ips else ()),
            *(service.external_ips if spec.external_ips else ()),
        )
        for address in chosen:
            yield spec, address


def _targets(
    specs: Iterable[L2AnnouncementPolicySpec], service: KnownService, node: Node
) -> Iterator[tuple[IPAddress, int]]:
    for spec, address in _addresses(specs, service):
        is_elsewhere = (service.key, address.version) not in node.local
        if service.external_is_local and is_elsewhere:
            continue
        for device in node.devices:
            if selects_device(spec.interfaces, device.name):
                yield address, device.index
