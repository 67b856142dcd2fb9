"""The maps of Services as `dbg bpf lb` shows them, in Cilium's columns. Pure.

Cilium's map has every frontend's backends beside it; here frontends share a set of backends. So each
frontend is shown with the slots of its set, and a row reads as it does there. REVNAT_ID is the
frontend's id. What traffic policies a Service has is in the maps as far as packets depend on it:
`Local` where packets from outside are dropped for want of an endpoint here.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from ciliate.datapath.layout import (
    Backend,
    Frontend,
    FrontendFlag,
    FrontendKey,
    FrontendScope,
    FrontendType,
    MaglevChunk,
    MaglevKey,
    Service,
    ServiceFlag,
    ServiceSlotKey,
    SourceRangeKey,
)
from ciliate.net.address import from_octets, network_of, socket_text
from ciliate.net.protocol import protocol_name
from ciliate.services.service_list import TYPE_NAMES

_MAPPED: Final = bytes(10) + b"\xff\xff"
_NOWHERE: Final = {4: "0.0.0.0:0", 6: "[::]:0"}
_MAGLEV: Final = ServiceFlag.SERVICE_MAGLEV
_RANGES: Final = FrontendFlag.FRONTEND_SOURCE_RANGES | FrontendFlag.FRONTEND_DENY_RANGES

#: Words and bits of Cilium's flags, in its order; a frontend has those of `_bits`.
_EXTERNAL_LOCAL: Final = 1 << 2
_AFFINITY: Final = 1 << 4
_ROUTABLE: Final = 1 << 6
_SOURCE_RANGE: Final = 1 << 7
_LOOPBACK: Final = 1 << 11
_INTERNAL_LOCAL: Final = 1 << 12
_TWO_SCOPES: Final = 1 << 13
_DENY: Final = 1 << 15
_WORDS: Final = {
    _EXTERNAL_LOCAL: "Local",
    _INTERNAL_LOCAL: "InternalLocal",
    _TWO_SCOPES: "two-scopes",
    _AFFINITY: "sessionAffinity",
    _ROUTABLE: "non-routable",  # Where the bit is not set.
    _SOURCE_RANGE: "check source-range",
    _DENY: "deny",
    _LOOPBACK: "loopback",
}
_TYPES: Final = {
    FrontendType.FRONTEND_CLUSTER_IP: 0,
    FrontendType.FRONTEND_NODE_PORT: 1 << 1,
    FrontendType.FRONTEND_EXTERNAL_IP: 1 << 0,
    FrontendType.FRONTEND_LOAD_BALANCER: 1 << 5,
    FrontendType.FRONTEND_HOST_PORT: 1 << 3,
}


class LiveServices(NamedTuple):
    """What the maps hold now."""

    frontends: Mapping[FrontendKey, Frontend]
    services: Mapping[int, Service]
    slots: Mapping[ServiceSlotKey, Backend]

    def in_order(self) -> list[tuple[FrontendKey, Frontend]]:
        """Return the frontends by id; those of ports that an address does not have, at last."""
        return sorted(
            self.frontends.items(), key=lambda each: (not each[1].id, each[1].id, each[0])
        )

    def set_of(self, frontend: Frontend) -> Service:
        """Return a frontend's set, an empty one where there is none."""
        return self.services.get(frontend.service, Service(backends=0, affinity_s=0, flags=0))


def frontend_name(key: FrontendKey) -> str:
    """Return what a frontend is called."""
    inside = "/i" if key.scope == FrontendScope.SCOPE_INSIDE else ""
    protocol = protocol_name(key.protocol) if key.protocol else "ANY"
    return f"{socket_text(_text(key.address), key.port)}/{protocol}{inside}"


def lb_rows(live: LiveServices) -> dict[str, list[str]]:
    """Return frontends with their backends: slot 0 is the frontend itself."""
    rows: dict[str, list[str]] = {}
    for key, frontend in live.in_order():
        name, found = frontend_name(key), live.set_of(frontend)
        nowhere = _NOWHERE[_version(key.address)]
        rows[f"{name} (0)"] = [f"{nowhere} ({frontend.id}) (0) [{flag_words(live, key)}] "]
        for slot in range(1, found.backends + 1):
            backend = live.slots.get(ServiceSlotKey(frontend.service, slot))
            at = (
                f"slot {slot} of set {frontend.service} not found"
                if backend is None
                else f"{_at(backend)}/{protocol_name(key.protocol)} ({frontend.id}) ({slot})"
            )
            rows[f"{name} ({slot})"] = [at]
    return rows


def frontend_rows(live: LiveServices) -> dict[str, list[str]]:
    """Return frontends with backends' ids: of slot 0, how long an affinity holds, in seconds."""
    rows: dict[str, list[str]] = {}
    for key, frontend in live.in_order():
        name, found = frontend_name(key), live.set_of(frontend)
        bits = _bits(live, key)
        tail = f"[0x{bits & 0xFF:x} 0x{bits >> 8:x}]"
        rows[f"{name} (0)"] = [f"{found.affinity_s} {found.backends}[0] ({frontend.id}) {tail}"]
        for slot in range(1, found.backends + 1):
            backend = live.slots.get(ServiceSlotKey(frontend.service, slot))
            number = backend.id if backend is not None else 0
            rows[f"{name} ({slot})"] = [f"{number} 0[0] ({frontend.id}) {tail}"]
    return rows


def backend_rows(live: LiveServices) -> dict[str, list[str]]:
    """Return the backends in slots, by id; what a set's frontends speak, its backends do."""
    protocols = {each.service: key.protocol for key, each in live.frontends.items()}
    found = {
        backend.id: f"{protocol_name(protocols[key.service])}://{_at(backend)}"
        for key, backend in live.slots.items()
        if key.service in protocols
    }
    return {str(number): [found[number]] for number in sorted(found)}


def revnat_rows(live: LiveServices) -> dict[str, list[str]]:
    """Return what replies of a frontend come from, by id."""
    return {
        str(frontend.id): [socket_text(_text(key.address), key.port)]
        for key, frontend in live.in_order()
        if frontend.id
    }


def source_range_rows(
    live: LiveServices, ranges: Iterable[SourceRangeKey]
) -> dict[str, list[str]]:
    """Return the ranges that each frontend looks at."""
    by_set: dict[int, list[str]] = {}
    for key in ranges:
        text = str(network_of(key.address, key.prefix_length - 32))
        by_set.setdefault(key.service, []).append(text)
    return {
        f"{text} ({frontend.id})": [""]
        for _, frontend in live.in_order()
        if frontend.flags & _RANGES
        for text in sorted(by_set.get(frontend.service, ()))
    }


def maglev_rows(
    live: LiveServices, chunks: Mapping[MaglevKey, MaglevChunk]
) -> dict[str, list[str]]:
    """Return each frontend's table, as ids of backends by cell."""
    sets = {number for number, each in live.services.items() if each.flags & _MAGLEV}
    tables = {number: _table(live, chunks, number) for number in sets}
    return {
        f"[{frontend.id}]/v{_version(key.address)}": [f"[{' '.join(tables[frontend.service])}]"]
        for key, frontend in live.in_order()
        if tables.get(frontend.service)
    }


def _table(live: LiveServices, chunks: Mapping[MaglevKey, MaglevChunk], number: int) -> list[str]:
    ids: list[str] = []
    part = 0
    while (chunk := chunks.get(MaglevKey(number, part))) is not None:
        octets = memoryview(chunk.slots).cast("H")
        for slot in octets:
            if not slot:  # Behind the last cell.
                return ids
            backend = live.slots.get(ServiceSlotKey(number, slot))
            ids.append(str(backend.id) if backend is not None else "0")
        part += 1
    return ids


def flag_words(live: LiveServices, key: FrontendKey) -> str:
    """Return what a frontend is and does, in Cilium's words and order."""
    bits = _bits(live, key)
    words = (word for bit, word in _WORDS.items() if bool(bits & bit) is not (bit == _ROUTABLE))
    return ", ".join((TYPE_NAMES[FrontendType(live.frontends[key].type)], *words))


def _bits(live: LiveServices, key: FrontendKey) -> int:
    """Return Cilium's flags of a frontend."""
    frontend = live.frontends[key]
    flags = FrontendFlag(frontend.flags)
    bits = _TYPES[FrontendType(frontend.type)] | _policy_bits(live, key)
    if live.set_of(frontend).affinity_s:
        bits |= _AFFINITY
    if FrontendFlag.FRONTEND_INSIDE_ONLY not in flags:
        bits |= _ROUTABLE
    if flags & _RANGES:
        bits |= _SOURCE_RANGE
    if FrontendFlag.FRONTEND_DENY_RANGES in flags:
        bits |= _DENY
    if FrontendFlag.FRONTEND_LOOPBACK_ONLY in flags:
        bits |= _LOOPBACK
    return bits


def _policy_bits(live: LiveServices, key: FrontendKey) -> int:
    """Return the flags of traffic policies; of two scopes exactly one is Local."""
    outside = live.frontends.get(key._replace(scope=FrontendScope.SCOPE_OUTSIDE))
    frontend = outside or live.frontends[key]
    flags = FrontendFlag(frontend.flags)
    has_scopes = FrontendFlag.FRONTEND_TWO_SCOPES in flags
    bits = _TWO_SCOPES if has_scopes else 0
    if FrontendFlag.FRONTEND_DROP_IF_EMPTY in flags:
        return bits | _EXTERNAL_LOCAL
    # Where no node has an endpoint nothing is dropped, so that flag says nothing.
    return bits | _INTERNAL_LOCAL if has_scopes and live.set_of(frontend).backends else bits


def _at(backend: Backend) -> str:
    return socket_text(_text(backend.address), backend.port)


def _text(address: bytes) -> str:
    return str(from_octets(address))  # All zero is any address of a node.


def _version(address: bytes) -> int:
    return 4 if address.startswith(_MAPPED) else 6
