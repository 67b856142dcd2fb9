"""A pod of the cluster as its CiliumEndpoint describes it: addresses, node, identity. Pure."""

from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeVar

from msgspec import Struct

from ciliate.api.cilium_endpoint import CiliumEndpoint, EndpointStatus
from ciliate.api.metadata import ObjectMeta
from ciliate.net.address import ip_address, to_octets

T = TypeVar("T", str, bytes)

#: Stands for the node of a pod whose CiliumEndpoint names none.
NO_NODE: Final = bytes(16)

_UNTOLD: Final = EndpointStatus()

#: The datapath has 32 bits for an identity; the API has 64, and a sign.
_IDENTITY_MAX: Final = 0xFFFF_FFFF

# What no pod has: this network, loopback, groups, all hosts. There are many pods, and octets tell
# at a tenth of the cost of address objects.
_MAPPED: Final = bytes(10) + b"\xff\xff"
_FIRST_V4: Final = 12
_NO_PODS_V4: Final = frozenset({0, 127, *range(224, 240)})
_BROADCAST: Final = b"\xff\xff\xff\xff"
_GROUP_V6: Final = 0xFF
_LOOPBACK_V6: Final = bytes(15) + b"\x01"


class KnownPod(Struct, frozen=True, gc=False):
    """A pod's addresses and its node's, as 16 octets each, and the pod's identity."""

    addresses: tuple[bytes, ...]
    identity: int
    node: bytes


class TrimmedEndpoint(CiliumEndpoint, frozen=True, gc=False, kw_only=True):
    """A CiliumEndpoint of another node: its place in the table, and what is known of the pod.

    Labels and identifiers of other nodes' pods are not used here, and there are many.
    """

    known: KnownPod | None = None
    unreadable: str = ""  # What in it is no address, or no identity.


@lru_cache(maxsize=16384)
def _shared(value: T) -> T:
    """Return the equal object of an earlier call: many pods share a node, or a namespace."""
    return value


def known_pod(endpoint: CiliumEndpoint) -> KnownPod | None:
    """Return the pod that a CiliumEndpoint describes; None while it has no identity or address.

    Raises:
        ValueError: Something in it is no address, none that a pod has, or no identity.
    """
    if isinstance(endpoint, TrimmedEndpoint):
        if endpoint.unreadable:
            raise ValueError(endpoint.unreadable)
        return endpoint.known
    networking, identity = endpoint.status.networking, endpoint.status.identity
    if networking is None or identity is None:
        return None
    if not 0 <= identity.id <= _IDENTITY_MAX:
        raise ValueError(f"{identity.id} is no identity")
    addresses = tuple(
        _pod_address(text)
        for pair in networking.addressing
        for text in (pair.ipv4, pair.ipv6)
        if text
    )
    node = to_octets(ip_address(networking.node)) if networking.node else NO_NODE
    return KnownPod(addresses, identity.id, _shared(node))


def _pod_address(text: str) -> bytes:
    octets = to_octets(ip_address(text))
    if octets.startswith(_MAPPED):
        is_pods = octets[_FIRST_V4] not in _NO_PODS_V4 and octets[_FIRST_V4:] != _BROADCAST
    else:
        is_pods = octets[0] != _GROUP_V6 and octets > _LOOPBACK_V6
    if not is_pods:
        raise ValueError(f"{text} can be no pod's address")
    return octets


def trimmed(endpoint: CiliumEndpoint, *, is_here: Callable[[str], bool]) -> CiliumEndpoint:
    """Return this node's endpoints whole, those of other nodes with what `KnownPod` has.

    `is_here` says whether an address is this node's.
    """
    networking, meta = endpoint.status.networking, endpoint.metadata
    if networking is not None and is_here(networking.node):
        return endpoint
    known, unreadable = None, ""
    try:
        known = known_pod(endpoint)
    except ValueError as error:
        unreadable = str(error)
    return TrimmedEndpoint(
        metadata=ObjectMeta(
            name=meta.name,
            namespace=_shared(meta.namespace),
            uid=meta.uid,
            resource_version=meta.resource_version,
        ),
        status=_UNTOLD,
        known=known,
        unreadable=unreadable,
    )
