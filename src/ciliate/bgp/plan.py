"""What this node's BGP objects ask for: sessions with their routes, and what is wrong. Pure.

A peer that cannot be served is left out by itself, with a sentence that says why; the others are.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ciliate.api.bgp import (
    CiliumBGPAdvertisement,
    CiliumBGPNodeConfig,
    CiliumBGPPeerConfig,
    NodeInstance,
    NodePeer,
    PeerConfigSpec,
    PeerFamily,
)
from ciliate.api.metadata import LabelSelector
from ciliate.bgp.announcements import Announceable, Announcement, announcements
from ciliate.bgp.model import Route, Session, SessionKey, family_name
from ciliate.net.address import IPAddress, ip_address

#: Routes of one session; of more, those with the lowest prefixes are announced.
ROUTES_MAX: Final = 10_000

#: Peers of a node: each is a process.
SESSIONS_MAX: Final = 32

#: What a password may have (RFC 2385 as Linux has it: TCP_MD5SIG_MAXKEYLEN).
PASSWORD_BYTES_MAX: Final = 80

#: The families of a peer whose configuration names none; nothing is announced in them.
_DEFAULT_FAMILIES: Final = (PeerFamily("ipv4", "unicast"), PeerFamily("ipv6", "unicast"))
_VERSIONS: Final[Mapping[str, int]] = {"ipv4": 4, "ipv6": 6}


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What of the node sessions stand on.

    `source_of` returns the node's address toward another one, None where no route leads there;
    `gateway_of` the gateway of an IP version's default route; `password_of` what a Secret holds
    for BGP, None while it is not known or there is none.
    """

    name: str
    addresses: Mapping[int, IPAddress]  # The node's own, by IP version.
    source_of: Callable[[IPAddress], IPAddress | None]
    gateway_of: Callable[[int], IPAddress | None] = lambda _version: None
    password_of: Callable[[str], bytes | None] = lambda _name: None
    here: Announceable = field(default_factory=Announceable)


@dataclass(frozen=True, slots=True)
class Plan:
    """The sessions, by their keys, and sentences about what is left out."""

    sessions: Mapping[SessionKey, Session]
    problems: tuple[str, ...] = ()


class _Announcing:
    """What is announced by a selector: peers have it alike, and there may be thousands of routes."""

    def __init__(
        self, advertisements: Collection[CiliumBGPAdvertisement], here: Announceable
    ) -> None:
        self._advertisements = advertisements
        self._here = here
        self._found: list[tuple[LabelSelector, int, Sequence[Announcement], Sequence[str]]] = []

    def by(
        self, selector: LabelSelector, version: int
    ) -> tuple[Sequence[Announcement], Sequence[str]]:
        """Return what a family announces, and what is left out."""
        for known, of, found, problems in self._found:
            if known == selector and of == version:
                return found, problems
        found, problems = announcements(selector, self._advertisements, self._here, version)
        self._found.append((selector, version, found, problems))
        return found, problems


class _PeerError(Exception):
    """A peer cannot be served; the message says why."""


def plan(
    config: CiliumBGPNodeConfig | None,
    peer_configs: Mapping[str, CiliumBGPPeerConfig],
    advertisements: Collection[CiliumBGPAdvertisement],
    node: NodeFacts,
) -> Plan:
    """Return the sessions that a node should have."""
    sessions: dict[SessionKey, Session] = {}
    problems: list[str] = []
    taken: dict[tuple[int, IPAddress], SessionKey] = {}
    announcing = _Announcing(advertisements, node.here)
    for instance in config.spec.bgp_instances if config is not None else ():
        if instance.local_port:
            problems.append(
                f"instance {instance.name}: localPort {instance.local_port}: nothing listens: the"
                " node itself opens every session; have routers wait for it (FRR: passive)"
            )
        for peer in instance.peers:
            try:
                session, left_out = _session(instance, peer, peer_configs, announcing, node)
                _check_room(session, sessions, taken)
            except _PeerError as error:
                problems.append(f"instance {instance.name}, peer {peer.name}: {error}")
                continue
            sessions[session.key] = session
            taken[session.local_asn, session.peer_address] = session.key
            problems += [f"instance {instance.name}, peer {peer.name}: {x}" for x in left_out]
    return Plan(sessions, tuple(dict.fromkeys(problems)))


def _check_room(
    session: Session,
    sessions: Mapping[SessionKey, Session],
    taken: Mapping[tuple[int, IPAddress], SessionKey],
) -> None:
    if other := taken.get((session.local_asn, session.peer_address)):
        raise _PeerError(
            f"peerAddress {session.peer_address} is that of peer {other[1]} of instance"
            f" {other[0]} too: remove one of both"
        )
    if len(sessions) >= SESSIONS_MAX:
        raise _PeerError(f"the node has {SESSIONS_MAX} sessions already: remove peers")


def _session(
    instance: NodeInstance,
    peer: NodePeer,
    peer_configs: Mapping[str, CiliumBGPPeerConfig],
    announcing: "_Announcing",
    node: NodeFacts,
) -> tuple[Session, Sequence[str]]:
    """Return the session with a peer, and what is left out of it.

    Raises:
        _PeerError: There can be none.
    """
    if not instance.local_asn:
        raise _PeerError("the instance has no localASN: set it")
    spec = _peer_config(peer, peer_configs)
    remote = _peer_address(peer, node)
    local = _local_address(peer, spec, remote, node)
    families, problems = _families(spec)
    is_internal = peer.peer_asn == instance.local_asn
    routes: list[Route] = []
    for version, family in families.items():
        if family.advertisements is None:
            continue
        found, left_out = announcing.by(family.advertisements, version)
        problems += left_out
        next_hop = local if local.version == version else node.addresses.get(version)
        if found and next_hop is None:
            problems.append(
                f"family {family_name(version)}: the node has no IPv{version} address that routes"
                " could lead to: nothing of it is announced"
            )
            continue
        routes += [
            Route(
                prefix=each.prefix,
                next_hop=next_hop or local,
                communities=tuple(sorted(each.communities)),
                large_communities=tuple(sorted(each.large_communities)),
                local_preference=each.local_preference if is_internal else None,
            )
            for each in found
        ]
    if len(routes) > ROUTES_MAX:
        problems.append(
            f"{len(routes)} routes are more than the {ROUTES_MAX} of a session: the rest is not"
            " announced; select fewer, or aggregate them (aggregationLengthIPv4)"
        )
    graceful = spec.graceful_restart
    session = Session(
        instance=instance.name,
        peer=peer.name,
        local_asn=instance.local_asn,
        peer_asn=peer.peer_asn,
        local_address=local,
        peer_address=remote,
        router_id=_router_id(instance, node),
        peer_port=spec.transport.peer_port,
        hold_s=spec.timers.hold_time_seconds,
        restart_s=graceful.restart_time_seconds if graceful.enabled else 0,
        ttl=0 if is_internal else spec.ebgp_multihop,
        password=_password(spec, node),
        versions=tuple(families),
        routes=tuple(routes[:ROUTES_MAX]),
    )
    return session, problems


def _peer_config(
    peer: NodePeer, peer_configs: Mapping[str, CiliumBGPPeerConfig]
) -> PeerConfigSpec:
    if peer.peer_config_ref is None:
        return PeerConfigSpec()
    name = peer.peer_config_ref.name
    if name not in peer_configs:
        raise _PeerError(f"CiliumBGPPeerConfig {name} does not exist: make it")
    return peer_configs[name].spec


def _peer_address(peer: NodePeer, node: NodeFacts) -> IPAddress:
    if peer.peer_address:
        return _read_address(peer.peer_address, "peerAddress")
    discovery = peer.auto_discovery
    if discovery is None or discovery.mode != "DefaultGateway":
        mode = discovery.mode if discovery is not None else "none"
        raise _PeerError(f"autoDiscovery.mode {mode} is not supported: give peerAddress")
    family = discovery.default_gateway.address_family if discovery.default_gateway else "ipv4"
    gateway = node.gateway_of(_VERSIONS.get(family, 4))
    if gateway is None:
        raise _PeerError(f"the node has no default route of {family}: give peerAddress")
    return gateway


def _local_address(
    peer: NodePeer, spec: PeerConfigSpec, remote: IPAddress, node: NodeFacts
) -> IPAddress:
    if peer.local_address:
        local = _read_address(peer.local_address, "localAddress")
        if local.version != remote.version:
            raise _PeerError(f"localAddress {local} is of another family than the peer's {remote}")
        return local
    if device := spec.transport.source_interface:
        own = node.here.interfaces.get(device, ())
        for address in own:
            if address.version == remote.version and not address.is_link_local:
                return address
    found = node.source_of(remote)
    if found is None:
        raise _PeerError(f"no route of the node leads to {remote}")
    return found


def _read_address(text: str, field_name: str) -> IPAddress:
    try:
        return ip_address(text)
    except ValueError:
        raise _PeerError(f'{field_name} "{text}" is no address: correct it') from None


def _router_id(instance: NodeInstance, node: NodeFacts) -> str:
    if instance.router_id:
        try:
            found = ip_address(instance.router_id)
        except ValueError:
            found = None
        if found is None or found.version != 4:
            raise _PeerError(f'routerID "{instance.router_id}" is no IPv4 address: correct it')
        return str(found)
    if (address := node.addresses.get(4)) is None:
        raise _PeerError(
            "the node has no IPv4 address that could be its router ID: set routerID in a"
            f" CiliumBGPNodeConfigOverride {node.name}"
        )
    return str(address)


def _password(spec: PeerConfigSpec, node: NodeFacts) -> bytes:
    name = spec.auth_secret_ref
    if not name:
        return b""
    found = node.password_of(name)
    if not found:
        raise _PeerError(
            f"authSecretRef: Secret {name} is not there, may not be read, or has no key `password`:"
            " without it no session is opened"
        )
    if len(found) > PASSWORD_BYTES_MAX:
        raise _PeerError(
            f"authSecretRef: the password in Secret {name} has {len(found)} octets: TCP MD5 takes"
            f" {PASSWORD_BYTES_MAX} at most"
        )
    return found


def _families(spec: PeerConfigSpec) -> tuple[Mapping[int, PeerFamily], list[str]]:
    """Return the families by IP version, and what is said of others."""
    found: dict[int, PeerFamily] = {}
    problems = []
    for family in spec.families or _DEFAULT_FAMILIES:
        version = _VERSIONS.get(family.afi)
        if version is None or family.safi != "unicast":
            problems.append(f"family {family.afi}/{family.safi} is not supported: it is left out")
        elif version in found:
            problems.append(f"family {family.afi}/{family.safi} stands twice: the first counts")
        else:
            found[version] = family
    if not found:
        raise _PeerError("; ".join(problems))
    return found, problems
