"""`ipam/agent/repair.py` and its record: what is freed, what never is, and undoing."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ciliate.api.core import Pod, PodIP, PodSpec, PodStatus
from ciliate.api.ipam_audit import RepairReport, RepairRequest
from ciliate.ipam.agent.check import IpamCheck
from ciliate.ipam.agent.repair import IpamRepair, RepairUnknownError
from ciliate.ipam.agent.repair_file import LINES_MAX, RepairFile, RepairFileError
from ciliate.ipam.agent.snapshot import Snapshots
from ciliate.ipam.audit.node_snapshot import Held, NodeSnapshot
from ciliate.ipam.node import NodeAddresses
from ciliate.kube.document import ObjectList
from ciliate.node.context import Context, Paths
from ciliate.node.endpoint_table import EndpointTable

LEAKED, OWNER = ip_address("10.0.0.7"), "default/gone"


class Clock:
    """Monotonic seconds that a test sets."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Node:
    """A node of which only the allocator is real: kernel and API know of no pod."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.addresses = NodeAddresses((4,))
        self.addresses.set_current({"default": [ip_network("10.0.0.0/24")]})
        self.table = EndpointTable()
        self.pods: dict[tuple[str, str], Pod] = {}  # Those that the API server knows.
        self.api_problem = ""
        self.freed = 0
        folder.joinpath("state").mkdir(exist_ok=True)
        self.file = folder / "state" / "ipam-repairs.jsonl"
        context = SimpleNamespace(
            paths=Paths(folder),
            own=SimpleNamespace(name="n"),
            client=self,
            endpoints=self.table,
            cluster=SimpleNamespace(known_pods=SimpleNamespace(at=lambda _address: None)),
        )
        self.check = IpamCheck(cast("Snapshots", self), clock=self.clock)
        self.repair = IpamRepair(
            cast("Context", context), self.addresses, self.check, freed=self._freed
        )

    def _freed(self) -> None:
        self.freed += 1

    async def take(self, *, inside: bool) -> NodeSnapshot:
        """Take what the snapshots take."""
        del inside
        return NodeSnapshot(
            node="n",
            allocator=tuple(
                Held(address, owner, held.pool, held.cidr, self.addresses.is_reserved(address))
                for address, owner, held in self.addresses.allocations()
            ),
        )

    async def list(self, _kind: object, *, namespace: str, field_selector: str) -> ObjectList[Pod]:
        """Answer as the API server does."""
        name = field_selector.removeprefix("metadata.name=")
        return ObjectList(tuple(filter(None, [self.pods.get((namespace, name))])), "1")

    async def leak(self, *, for_s: float = 120.0) -> None:
        self.addresses.take((LEAKED,), OWNER)
        await self.check.inspect()
        self.clock.now_s += for_s

    async def act(self, **request: Any) -> RepairReport:
        return await self.repair.act(RepairRequest(**request))

    def owners(self) -> dict[str, str]:
        return {str(address): owner for address, owner, _ in self.addresses.allocations()}


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def reasons(report: RepairReport) -> Sequence[str]:
    return [each.reason for each in report.kept]


async def test_leaked_address_is_freed_recorded_and_reported(node: Node) -> None:
    await node.leak()

    report = await node.act()

    assert [(each.address, each.owner) for each in report.freed] == [("10.0.0.7", OWNER)]
    assert report.freed[0].evidence
    assert (node.owners(), node.freed) == ({}, 1)
    assert node.repair.records() == report.freed
    assert node.file.stat().st_mode & 0o777 == 0o600


async def test_dry_run_changes_and_records_nothing(node: Node) -> None:
    await node.leak()

    report = await node.act(dry_run=True)

    assert (len(report.freed), report.id) == (1, "")
    assert node.owners() == {"10.0.0.7": OWNER}
    assert not node.file.exists()


async def test_young_leak_is_left_alone(node: Node) -> None:
    await node.leak(for_s=59.0)

    report = await node.act()

    assert report.freed == ()
    assert "leaked for 59 s" in reasons(report)[0]
    assert node.owners() == {"10.0.0.7": OWNER}


async def test_grace_of_zero_still_needs_two_inspections(node: Node) -> None:
    node.addresses.take((LEAKED,), OWNER)

    assert (await node.act(grace_s=0)).freed == ()


async def test_leak_that_was_away_meanwhile_is_young_again(node: Node) -> None:
    await node.leak()
    node.addresses.release((LEAKED,))
    await node.check.inspect()
    node.addresses.take((LEAKED,), OWNER)

    assert (await node.act()).freed == ()


async def test_pod_that_only_the_api_server_knows_keeps_its_address(node: Node) -> None:
    """The agent's watch may be behind."""
    await node.leak()
    node.pods["default", "gone"] = Pod(spec=PodSpec(node_name="n"))

    report = await node.act()

    assert reasons(report) == ["Pod default/gone is there"]
    assert node.owners() == {"10.0.0.7": OWNER}


@pytest.mark.parametrize(("ip", "freed"), [("10.0.0.7", 0), ("10.1.0.9", 1)])
async def test_namesake_on_another_node_counts_only_with_the_address(
    node: Node, ip: str, freed: int
) -> None:
    await node.leak()
    status = PodStatus(pod_ips=(PodIP(ip),))
    node.pods["default", "gone"] = Pod(spec=PodSpec(node_name="other"), status=status)

    assert len((await node.act()).freed) == freed


async def test_nothing_is_freed_while_the_api_is_away(node: Node) -> None:
    await node.leak()
    node.api_problem = "connection refused"

    report = await node.act()

    assert (report.freed, report.kept) == ((), ())
    assert node.owners() == {"10.0.0.7": OWNER}


async def test_repair_waits_for_a_moment_without_an_add(node: Node) -> None:
    await node.leak()
    number = node.table.promise_id()
    repairing = asyncio.ensure_future(node.act())
    while not node.repair._repairing.locked():
        await asyncio.sleep(0)
    assert node.owners() == {"10.0.0.7": OWNER}

    node.table.remove(number)  # The ADD failed.

    assert len((await repairing).freed) == 1


async def test_nothing_is_freed_when_it_cannot_be_recorded(node: Node) -> None:
    await node.leak()
    node.file.mkdir()  # No file can be written there.

    with pytest.raises(RepairFileError, match="could not be undone"):
        await node.act()

    assert node.owners() == {"10.0.0.7": OWNER}


async def test_undo_takes_the_address_again_once(node: Node) -> None:
    await node.leak()
    number = (await node.act()).id

    report = await node.act(undo=number)

    assert [each.address for each in report.taken] == ["10.0.0.7"]
    assert node.owners() == {"10.0.0.7": OWNER}
    assert node.repair.records()[0].undone is not None
    assert "already" in reasons(await node.act(undo=number))[0]


async def test_undo_leaves_an_address_to_its_new_owner(node: Node) -> None:
    await node.leak()
    number = (await node.act()).id
    node.addresses.take((LEAKED,), "default/new")

    report = await node.act(undo=number)

    assert reasons(report) == ["default/new holds it now"]
    assert node.owners() == {"10.0.0.7": "default/new"}


async def test_undo_of_an_address_whose_cidr_is_gone_is_refused(node: Node) -> None:
    await node.leak()
    number = (await node.act()).id
    node.addresses.set_current({"default": [ip_network("10.9.0.0/24")]})

    assert "no CIDR" in reasons(await node.act(undo=number))[0]


async def test_undo_of_what_never_was_says_so(node: Node) -> None:
    with pytest.raises(RepairUnknownError, match="beef"):
        await node.act(undo="beef")


async def test_record_survives_half_a_line_and_is_cut_when_long(tmp_path: Path) -> None:
    node = Node(tmp_path)
    await node.leak()
    (record,) = (await node.act()).freed
    line = node.file.read_bytes()
    node.file.write_bytes(line * (LINES_MAX + 1) + line[:20])
    file = RepairFile(node.file)
    assert file.load() == (record,)

    file.append([record])

    assert file.load() == (record,)
    assert len(node.file.read_bytes().splitlines()) <= LINES_MAX // 2 + 2
