"""Nodes and pods that assume different sizes: what needs no packet to be seen. Pure."""

from collections import Counter
from collections.abc import Mapping

from ciliate.cli.doctor.model import Finding, FindingKind, Severity
from ciliate.cli.doctor.pairs import Observations
from ciliate.cli.doctor.words import listed


def check_sizes(
    observations: Observations,
    pod_mtus: Mapping[str, int],
    *,
    size: int = 0,
    overhead_bytes: int = 0,
) -> list[Finding]:
    """Return what does not fit together.

    `pod_mtus` is what each node's pods send at most, 0: its agent did not say. `overhead_bytes` is
    what a tunnel adds to each packet of a pod. `size` is what was to be assumed.
    """
    paths: dict[
        str, tuple[int, str]
    ] = {}  # Node -> the most that a path of it carries, its device.
    for (near, _, _), report in sorted(observations.items()):
        if report.mtu and report.device:
            paths[near] = max(paths.get(near, (0, "")), (report.mtu, report.device))
    unequal = _unequal_devices(paths)
    found = [unequal] if unequal else []
    told = {node: mtu for node, mtu in sorted(pod_mtus.items()) if mtu}
    if not unequal and (differing := _unequal_pods(told)):
        found.append(differing)
    found += _pods_too_large(paths, told, overhead_bytes)
    if size and (short := [node for node, (mtu, _) in paths.items() if mtu < size]):
        found.append(_not_sent(size, short, paths))
    return found


def _unequal_devices(paths: Mapping[str, tuple[int, str]]) -> Finding | None:
    usual, odd = _split({node: mtu for node, (mtu, _) in paths.items()})
    if not odd:
        return None
    each = [f"{node} ({paths[node][1]}: {mtu})" for node, mtu in odd.items()]
    return Finding(
        kind=FindingKind.UNEQUAL_MTU,
        severity=Severity.WARNING,
        says=f"nodes have devices of unequal MTU: {listed(each)}, the others {usual}",
        remedy=f"`ip link set DEVICE mtu {usual}` there, where one link has all of them",
        nodes=tuple(odd),
        assumed=usual,
    )


def _unequal_pods(pod_mtus: Mapping[str, int]) -> Finding | None:
    usual, odd = _split(pod_mtus)
    if not odd:
        return None
    each = [f"{node} ({mtu})" for node, mtu in odd.items()]
    return Finding(
        kind=FindingKind.UNEQUAL_POD_MTU,
        severity=Severity.WARNING,
        says=f"pods of different nodes assume different sizes: {listed(each)}, the others {usual}",
        remedy="the agents there run with another MTU or other devices: restart them, or set MTU",
        nodes=tuple(odd),
        assumed=usual,
    )


def _pods_too_large(
    paths: Mapping[str, tuple[int, str]], pod_mtus: Mapping[str, int], overhead_bytes: int
) -> list[Finding]:
    """Return a warning for each MTU of a device below what pods send by it."""
    groups: dict[tuple[int, int, str], list[str]] = {}
    for node, mtu in pod_mtus.items():
        carried, device = paths.get(node, (0, ""))
        if carried and mtu + overhead_bytes > carried:
            groups.setdefault((mtu, carried, device), []).append(node)
    added = f" and a tunnel adds {overhead_bytes}" if overhead_bytes else ""
    return [
        Finding(
            kind=FindingKind.POD_MTU_TOO_LARGE,
            severity=Severity.WARNING,
            says=(
                f"pods of {listed(nodes)} send up to {mtu} bytes{added}, but {device} carries"
                f" {carried}: longer packets are cut or answered with an error on the node"
            ),
            remedy=f"`helm upgrade --reuse-values --set MTU={carried}`, or a larger MTU of {device}",
            nodes=tuple(nodes),
            assumed=mtu,
            passes=carried,
        )
        for (mtu, carried, device), nodes in sorted(groups.items())
    ]


def _not_sent(size: int, short: list[str], paths: Mapping[str, tuple[int, str]]) -> Finding:
    carried = min(paths[node][0] for node in short)
    return Finding(
        kind=FindingKind.SIZE_NOT_SENT,
        severity=Severity.WARNING,
        says=(
            f"{size} bytes were asked for, but routes of {listed(sorted(short))} carry {carried}:"
            " no more was sent"
        ),
        remedy=f"give --size {carried} or less, or a larger MTU to their devices",
        nodes=tuple(sorted(short)),
        assumed=size,
        passes=carried,
    )


def _split(sizes: Mapping[str, int]) -> tuple[int, dict[str, int]]:
    """Return the size that most have, the smaller of two as frequent, and who has another."""
    counts = Counter(sizes.values())
    if len(counts) < 2:
        return next(iter(counts), 0), {}
    usual = min(counts, key=lambda size: (-counts[size], size))
    return usual, {node: size for node, size in sizes.items() if size != usual}
