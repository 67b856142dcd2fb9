"""`ipam/agent/check.py`: what lasts is reported, what settles meanwhile is not."""

import asyncio
from dataclasses import replace
from ipaddress import ip_address, ip_network
from types import SimpleNamespace
from typing import cast

from ciliate.api.ipam_audit import CheckRequest
from ciliate.ipam.agent.check import IpamCheck
from ciliate.ipam.agent.snapshot import Snapshots
from ciliate.ipam.audit.node_snapshot import Held, Interface, LocalEndpoint, NodeSnapshot
from ciliate.ipam.node import NodeAddresses

BLOCK = ip_network("10.0.0.0/24")
LEAKED = Held(ip_address("10.0.0.7"), "default/gone", "default", BLOCK)
AT_ONCE = CheckRequest(grace_s=0.0)


class Says:
    """Snapshots that a test prepares, one for each inspection; the last one repeats."""

    def __init__(self, *words: NodeSnapshot) -> None:
        self.words = list(words)
        self.entered: list[bool] = []
        self.api_problem = ""
        self.ipam = SimpleNamespace(
            pod_cidrs=SimpleNamespace(missing=lambda: ""), addresses=NodeAddresses((4,))
        )

    async def take(self, *, inside: bool) -> NodeSnapshot:
        self.entered.append(inside)
        return self.words.pop(0) if len(self.words) > 1 else self.words[0]


def check_of(says: Says) -> IpamCheck:
    clock = asyncio.get_running_loop().time
    return IpamCheck(cast("Snapshots", says), clock=clock, watch_pause_s=0.02)


LEAKING = NodeSnapshot(node="n", allocator=(LEAKED,))
CLEAN = NodeSnapshot(node="n")


async def test_what_settles_within_the_grace_time_is_no_finding() -> None:
    says = Says(LEAKING, CLEAN)

    report = await check_of(says).check(CheckRequest(grace_s=0.05))

    assert (report.findings, report.young) == ((), 0)
    assert len(says.entered) == 2


async def test_what_lasts_is_reported_with_its_age() -> None:
    report = await check_of(Says(LEAKING)).check(CheckRequest(grace_s=0.05))

    (finding,) = report.findings
    assert (finding.kind, finding.node, report.addresses) == ("leaked-address", "n", 1)
    assert finding.since is not None
    assert (report.now - finding.since).total_seconds() >= 0.05


async def test_nothing_to_wait_for_needs_one_inspection() -> None:
    says = Says(CLEAN)

    await check_of(says).check(CheckRequest(grace_s=30.0))

    assert len(says.entered) == 1


async def test_what_is_only_just_there_is_counted_as_young() -> None:
    other = Held(ip_address("10.0.0.8"), "default/new", "default", BLOCK)
    says = Says(LEAKING, NodeSnapshot(node="n", allocator=(LEAKED, other)))

    report = await check_of(says).check(CheckRequest(grace_s=0.05))

    assert ([each.object for each in report.findings], report.young) == (["10.0.0.7"], 1)


async def test_inspections_from_outside_do_not_make_inner_findings_young() -> None:
    endpoint = LocalEndpoint(
        number=1, pod=("", "lxc1"), addresses=(), interface="lxc1", ifindex=7, external_ipam=True
    )
    link = Interface("lxc1", 7, is_up=True, routed=())
    outer = NodeSnapshot(node="n", endpoints=(endpoint,), interfaces=(link,))
    inner = replace(outer, inside={1: "eth0 is down"})
    says = Says(inner, outer, inner)
    check = check_of(says)

    await check.check(AT_ONCE)
    await check.inspect()
    report = await check.check(AT_ONCE)

    (finding,) = report.findings
    assert finding.kind == "pod-side-differs"
    assert finding.since is not None
    assert (report.now - finding.since).total_seconds() > 0
    assert says.entered == [True, False, True]


async def test_nothing_follows_from_an_api_that_is_away() -> None:
    problem = "connection refused"
    says = Says(LEAKING)
    says.api_problem = problem

    report = await check_of(says).check(AT_ONCE)

    assert (report.findings, report.api_problem) == ((), problem)
