"""What a Service asks for: families or addresses, and with whom it shares. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from ciliate.api.resource import ObjectKey
from ciliate.api.service import Service
from ciliate.load_balancer_ipam.blocks import BlockError, read_address
from ciliate.load_balancer_ipam.settings import LoadBalancerIPAMSettings
from ciliate.load_balancer_ipam.sharing import Sharing
from ciliate.net.address import IPAddress

#: Classes whose Services get their addresses here; who makes them reachable is another matter.
CLASSES: Final = frozenset({"io.cilium/bgp-control-plane", "io.cilium/l2-announcer"})

#: Cilium's annotations, each with its former spelling, which it still takes.
IPS: Final = ("lbipam.cilium.io/ips", "io.cilium/lb-ipam-ips")
SHARING_KEY: Final = ("lbipam.cilium.io/sharing-key", "io.cilium/lb-ipam-sharing-key")
SHARING_NAMESPACES: Final = (
    "lbipam.cilium.io/sharing-cross-namespace",
    "io.cilium/lb-ipam-sharing-cross-namespace",
)
ANNOTATIONS: Final = frozenset((*IPS, *SHARING_KEY, *SHARING_NAMESPACES))

#: The reason where an address that is asked for is none.
INVALID_IP: Final = "invalid_ip"

#: Of one Service.
ADDRESSES_MAX: Final = 64

#: Labels that selectors of pools may name beside a Service's own.
_NAMESPACE_LABEL: Final = "io.kubernetes.service.namespace"
_NAME_LABEL: Final = "io.kubernetes.service.name"
_VERSIONS: Final = {"IPv4": 4, "IPv6": 6}


class Shortage(NamedTuple):
    """Why a Service has not what it asks for, as its condition says; nothing: no reason."""

    reason: str
    message: str


NOTHING: Final = Shortage("", "")


@dataclass(frozen=True, slots=True)
class Request:
    """One Service: either the addresses that it names, or one of each of `versions`.

    `needs_all`: it is not satisfied before it has all of them. `problem` is what of it nobody could
    have.
    """

    key: ObjectKey
    age: tuple[str, str, str]  # Sorts the older first.
    labels: Mapping[str, str]
    asked: tuple[IPAddress, ...]
    versions: tuple[int, ...]
    needs_all: bool
    sharing: Sharing
    problem: Shortage = NOTHING

    def wants(self, address: IPAddress) -> bool:
        """Whether the address is one that it asks for, or of a family that it asks for."""
        return address in self.asked if self.asked else address.version in self.versions


def is_ours(service: Service, settings: LoadBalancerIPAMSettings) -> bool:
    """Whether the Service gets its addresses here."""
    if service.spec.type != "LoadBalancer":
        return False
    wanted = service.spec.load_balancer_class
    return wanted in CLASSES if wanted else settings.takes_classless


def read_request(service: Service, settings: LoadBalancerIPAMSettings) -> Request:
    """Return what the Service asks for."""
    meta, spec = service.metadata, service.spec
    asked, problem = _asked(service)
    versions, needs_all = _versions(service, settings)
    if not (asked or problem.reason):
        problem = _missing_family(versions, settings)
    namespaces = _annotation(service, SHARING_NAMESPACES).split(",")
    return Request(
        key=(meta.namespace, meta.name),
        age=(meta.creation_timestamp or "", meta.namespace, meta.name),
        labels={**meta.labels, _NAMESPACE_LABEL: meta.namespace, _NAME_LABEL: meta.name},
        asked=asked,
        versions=tuple(version for version in versions if version in settings.versions),
        needs_all=needs_all,
        sharing=Sharing(
            key=_annotation(service, SHARING_KEY),
            namespace=meta.namespace,
            namespaces=frozenset(each.strip() for each in namespaces if each.strip()),
            ports=frozenset((port.port, port.protocol) for port in spec.ports),
            is_local=spec.external_traffic_policy == "Local",
            selector=spec.selector,
        ),
        problem=problem,
    )


def _annotation(service: Service, names: tuple[str, ...]) -> str:
    found = (service.metadata.annotations.get(name, "") for name in names)
    return next((text for text in found if text), "")


def _asked(service: Service) -> tuple[tuple[IPAddress, ...], Shortage]:
    """Return the addresses that a Service names, and what among them is none."""
    words = [("spec.loadBalancerIP", service.spec.load_balancer_ip)]
    words += [(IPS[0], word) for word in _annotation(service, IPS).split(",")]
    asked: dict[IPAddress, None] = {}
    for path, word in words:
        if not word.strip():
            continue
        try:
            asked[read_address(word.strip(), path)] = None
        except BlockError as error:
            return tuple(asked), Shortage(INVALID_IP, str(error))
    if len(asked) > ADDRESSES_MAX:
        problem = f"{IPS[0]}: {len(asked)} addresses, more than {ADDRESSES_MAX}: ask for fewer"
        return tuple(asked)[:ADDRESSES_MAX], Shortage(INVALID_IP, problem)
    return tuple(asked), NOTHING


def _versions(
    service: Service, settings: LoadBalancerIPAMSettings
) -> tuple[tuple[int, ...], bool]:
    """Return the families that a Service wants, IPv4 first, and whether it needs all of them."""
    spec = service.spec
    named = tuple(_VERSIONS[name] for name in spec.ip_families if name in _VERSIONS)
    match spec.ip_family_policy:
        case "RequireDualStack":
            return (4, 6), True
        case "PreferDualStack":
            wanted = named or settings.versions
            there = tuple(version for version in (4, 6) if version in wanted)
            return tuple(v for v in there if v in settings.versions) or there, False
        case _:
            return (named or settings.versions)[:1], True


def _missing_family(versions: tuple[int, ...], settings: LoadBalancerIPAMSettings) -> Shortage:
    for version in versions:
        if version not in settings.versions:
            return Shortage(
                "family_disabled",
                f"spec.ipFamilies: IPv{version} is wanted, and is off in this cluster: set"
                f" enable-ipv{version}, or ask for the other family",
            )
    return NOTHING
