"""From pairs that lose packets to findings: whose fault it is, how much passes, what to do. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from ciliate.cli.doctor.model import (
    Finding,
    FindingKind,
    PairReport,
    PathStatus,
    Severity,
)
from ciliate.cli.doctor.pairs import WELL, pairs_by_status
from ciliate.cli.doctor.segments import find_segments
from ciliate.cli.doctor.words import family_name, listed

#: What the setting `mtu` allows at least.
_MTU_SETTING_MIN: Final = 1280

#: With so many others a node fails before its own link is blamed.
_OTHERS_MIN: Final = 2

#: Of more nodes than that, and than half of all, not each link is at fault but what they share.
_LONELY_MAX: Final = 2


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a fault is: of what kind, and between whom."""

    kind: FindingKind
    nodes: tuple[str, ...]
    others: tuple[str, ...] = ()


def black_holes(
    pairs: Sequence[PairReport], pod_mtu: int, overhead_bytes: int = 0
) -> list[Finding]:
    """Return a finding for each link that is at fault.

    `pod_mtu` is what pods send at most, 0 where no agent said it; tunnels add `overhead_bytes`.
    """
    found = [
        (_black_hole(place, lost, version), lost)
        for version in sorted({pair.family for pair in pairs})
        for place, lost in _placed([p for p in pairs if p.family == version], version).items()
    ]
    # One setting for all: what passes everywhere, where the setting can be as low.
    passing = [each.passes for each, _ in found if each.passes >= _MTU_SETTING_MIN]
    pod_bytes = pod_mtu + overhead_bytes if pod_mtu else 0
    return [
        msgspec.structs.replace(
            each, remedy=_remedy(each, lost, min(passing, default=0), pod_bytes)
        )
        for each, lost in found
    ]


def _placed(pairs: Sequence[PairReport], version: int) -> dict[_Place, list[PairReport]]:
    """Return the pairs that lose packets, by where the fault is."""
    nodes = sorted({node for pair in pairs for node in pair.nodes})
    parts = find_segments(nodes, pairs_by_status(pairs, version, WELL))
    part_of = {node: part for part in parts for node in part}
    lost = [pair for pair in pairs if pair.status is PathStatus.BLACK_HOLE]
    lonely = {
        node
        for node in nodes
        if len(part_of[node]) == 1 and sum(node in p.nodes for p in lost) >= _OTHERS_MIN
    }
    placed: dict[_Place, list[PairReport]] = {}
    for pair in lost:
        for place in _places(pair, part_of, lonely):
            placed.setdefault(place, []).append(pair)
    return placed


def _places(
    pair: PairReport, part_of: Mapping[str, frozenset[str]], lonely: Collection[str]
) -> list[_Place]:
    """Return whom a loss is put down to; `lonely` are nodes that lose with all others."""
    own = [node for node in pair.nodes if node in lonely]
    if own:
        if len(lonely) > max(_LONELY_MAX, len(part_of) / 2):
            return [_Place(FindingKind.EVERY_LINK, tuple(sorted(lonely)))]
        return [_Place(FindingKind.NODE_LINK, (node,)) for node in own]
    one, other = (part_of[node] for node in pair.nodes)
    if one is not other and min(len(one), len(other)) > 1:
        near, far = sorted((tuple(sorted(one)), tuple(sorted(other))))
        return [_Place(FindingKind.SEGMENT_LINK, near, far)]
    return [_Place(FindingKind.PAIR_PATH, pair.nodes)]


def _black_hole(place: _Place, lost: list[PairReport], version: int) -> Finding:
    passes = min((pair.passes for pair in lost if pair.passes), default=0)
    towards = _towards(place, lost)
    return Finding(
        kind=place.kind,
        severity=Severity.ERROR,
        says=_says(place, lost, version, passes, towards),
        nodes=place.nodes,
        others=place.others or _partners(place, lost),
        family=version,
        assumed=max(pair.assumed for pair in lost),
        passes=passes,
        lost_towards=towards,
    )


def _partners(place: _Place, lost: Iterable[PairReport]) -> tuple[str, ...]:
    if place.kind is not FindingKind.NODE_LINK:
        return ()
    return tuple(sorted({node for pair in lost for node in pair.nodes} - set(place.nodes)))


def _towards(place: _Place, lost: Iterable[PairReport]) -> tuple[str, ...]:
    """Return whom packets do not reach; of a node's own link "others" stands for all else."""
    reached = {node for pair in lost for node in pair.lost_towards}
    if place.kind in (FindingKind.SEGMENT_LINK, FindingKind.EVERY_LINK):
        return ()  # Names of some would say little of a group.
    if place.kind is FindingKind.NODE_LINK:
        own = set(place.nodes)
        words = [*sorted(reached & own), *(["others"] if reached - own else [])]
        return tuple(words)
    return tuple(sorted(reached))


def _says(
    place: _Place,
    lost: Sequence[PairReport],
    version: int,
    passes: int,
    towards: tuple[str, ...],
) -> str:
    bound = f"longer than {passes} bytes" if passes else "of full size"
    what = f"{family_name(version)} packets {bound}"
    refusing = _refusing(lost)
    if refusing:
        ends = listed((*place.nodes, *_partners(place, lost)))
        return f"{what} between {ends} are refused by a packet filter of {listed(refusing)}"
    match place.kind:
        case FindingKind.NODE_LINK:
            others = _partners(place, lost)
            way = f", on the way to {' and to '.join(towards)}" if towards else ""
            return (
                f"{what} get lost between {place.nodes[0]} and each of {listed(others)}{way}, and"
                " nothing says so: the fault is on its own link"
            )
        case FindingKind.EVERY_LINK:
            return (
                f"{what} get lost between {listed(place.nodes)}, each with each, and nothing says so:"
                " the fault is in what they share"
            )
        case FindingKind.SEGMENT_LINK:
            return (
                f"{what} get lost between {listed(place.nodes)} on one side and"
                f" {listed(place.others)} on the other, and nothing says so: the fault is between the"
                " two groups, within each all is well"
            )
    one, other = place.nodes
    if len(towards) == 1:
        sender = other if towards == (one,) else one
        return f"{what} get lost from {sender} to {towards[0]}, and nothing says so"
    way = ", in both directions" if towards else ""
    return f"{what} get lost between {one} and {other}{way}, and nothing says so"


def _refusing(lost: Sequence[PairReport]) -> list[str]:
    """Return the nodes that refuse to send, where that is all that is wrong."""
    if not all(pair.refused_by for pair in lost):
        return []
    return sorted({node for pair in lost for node in pair.refused_by})


def _remedy(finding: Finding, lost: Sequence[PairReport], least: int, pod_bytes: int) -> str:
    """Return what to do; `least` is what passes everywhere, `pod_bytes` what pods send."""
    if refusing := _refusing(lost):
        return f"look for a rule about lengths on {listed(refusing)}: `nft list ruleset`"
    where = {
        FindingKind.NODE_LINK: f"the port that {finding.nodes[0]} is on, and its device,",
        FindingKind.EVERY_LINK: "the switches that all of them are on",
        FindingKind.SEGMENT_LINK: "the switch ports, routers and tunnels between the two groups",
    }.get(finding.kind, "the switch ports, routers and tunnels between the two")
    words = f"let {where} carry {finding.assumed} bytes of IP"
    if not finding.passes:
        return words
    if finding.passes < _MTU_SETTING_MIN:
        beside = ", nor IPv6's" if finding.family == 6 else ""
        return f"{words}; the setting MTU cannot be below {_MTU_SETTING_MIN}{beside}"
    if pod_bytes and pod_bytes <= finding.passes:
        return (
            f"{words}; pods send {pod_bytes} bytes at most and are not hit, the nodes' own"
            " processes are"
        )
    return (
        f"{words}, or send less: for pods `helm upgrade --reuse-values --set MTU={least}` (they have"
        f" it when they are made anew), for the nodes `ip link set DEVICE mtu {least}`"
    )
