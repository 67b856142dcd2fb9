"""Findings that are no black holes: routers that tell their MTU, pairs that nothing is known of. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

from ciliate.cli.doctor.model import Finding, FindingKind, PairReport, PathStatus, Severity
from ciliate.cli.doctor.words import family_name

#: More of them are one warning.
_SILENT_PAIRS_MAX: Final = 3

#: Of such pairs it is not known what passes.
_SILENT: Final = frozenset({PathStatus.SILENT, PathStatus.UNSTEADY, PathStatus.FAILED})


def smaller_paths(pairs: Iterable[PairReport]) -> list[Finding]:
    """Return a note for each size below the assumed one that a router tells of."""
    groups: dict[tuple[int, str, int], list[PairReport]] = {}
    for pair in pairs:
        if pair.status is PathStatus.SMALLER:
            groups.setdefault((pair.family, pair.told_by, pair.passes), []).append(pair)
    found = []
    for (version, router, passes), of_group in sorted(groups.items()):
        nodes = tuple(sorted({node for pair in of_group for node in pair.nodes}))
        found.append(
            Finding(
                kind=FindingKind.SMALLER_PATH,
                severity=Severity.NOTE,
                says=(
                    f"{family_name(version)} packets longer than {passes} bytes do not pass between"
                    f" {_ends(of_group)}; {router} says so, and senders send less"
                ),
                remedy=f"MTU={passes} would spare each new connection its first lost packet",
                nodes=nodes,
                family=version,
                assumed=max(pair.assumed for pair in of_group),
                passes=passes,
            )
        )
    return found


def _ends(pairs: Sequence[PairReport]) -> str:
    if len(pairs) == 1:
        return " and ".join(pairs[0].nodes)
    return f"the nodes of {len(pairs)} pairs"


def silent_pairs(pairs: Sequence[PairReport]) -> list[Finding]:
    """Return a warning for each node that nothing is known of, and for each other such pair."""
    found: list[Finding] = []
    for version in sorted({pair.family for pair in pairs}):
        of_version = [pair for pair in pairs if pair.family == version]
        silent = [pair for pair in of_version if pair.status in _SILENT]
        known = {node for pair in of_version if pair not in silent for node in pair.nodes}
        for node in sorted({node for pair in silent for node in pair.nodes} - known):
            with_it = [pair for pair in silent if node in pair.nodes]
            if len(with_it) > 1:
                found.append(_silence((node,), with_it, version))
                silent = [pair for pair in silent if pair not in with_it]
        if len(silent) > _SILENT_PAIRS_MAX:
            nodes = tuple(sorted({node for pair in silent for node in pair.nodes}))
            found.append(_silence(nodes, silent, version))
        else:
            found += [_silence(pair.nodes, [pair], version) for pair in silent]
    return found


def _silence(nodes: tuple[str, ...], pairs: Sequence[PairReport], version: int) -> Finding:
    between = " and ".join(nodes)
    if len(nodes) == 1:
        between = f"{nodes[0]} and {len(pairs)} others"
    elif len(pairs) > 1:
        between = f"the nodes of {len(pairs)} pairs"
    problem = next((pair.problem for pair in pairs if pair.problem), "no echo is answered")
    remedy = "see that the nodes are up, and that their packet filters let ICMP echoes pass"
    if len(pairs) > _SILENT_PAIRS_MAX:
        remedy += (
            '; where `dmesg` has "neighbor table overflow", raise'
            f" net.ipv{version}.neigh.default.gc_thresh3"
        )
    return Finding(
        kind=FindingKind.NO_ECHO,
        severity=Severity.WARNING,
        says=f"{family_name(version)} between {between}: {problem}; nothing is known of sizes",
        remedy=remedy,
        nodes=nodes,
        family=version,
    )
