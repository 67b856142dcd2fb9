"""Which nodes get CIDRs under faults: killed, no longer leading, no answer, edited by a user.

Nothing is ever given twice.
"""

import asyncio
import itertools
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from tests.unit.cluster.watched_cluster import WatchedCluster
from tests.unit.kube.conftest import eventually
from tests.unit.kube.embedded_server import EmbeddedServer
from tests.unit.operator.running_operator import (
    add_endpoint,
    add_node,
    configure,
    health,
    operator,
    until_error,
    until_no_error,
    until_node,
    until_pod_cidrs,
)

from ciliate.api.cilium_endpoint import CILIUM_ENDPOINTS
from ciliate.api.cilium_node import CILIUM_NODES, CiliumNode
from ciliate.api.coordination import LEASES
from ciliate.ipam.cluster import ClusterAllocator
from ciliate.ipam.operator.cidr_writer import CidrWriter
from ciliate.ipam.operator.granting import Granting
from ciliate.ipam.operator.node_cidrs import Decision
from ciliate.ipam.operator.ranges import NodeRanges
from ciliate.ipam.operator.settings import parse_ipam_settings
from ciliate.ipam.pool_errors import PoolBlocksExhaustedError
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import UnavailableError
from ciliate.kube.events import EventRecorder
from ciliate.kube.informer import Informer
from ciliate.reconcile.rewrites import FREE_WRITES

CONFIG = {
    "ipam": "cluster-pool",
    "cluster-pool-ipv4-cidr": "10.50.0.0/16",
    "cilium-endpoint-gc-interval": "0",
}
RUN = "from ciliate.operator.command import command; command()"
FULL = ("default", 4)


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    return tmp_path / "operator.sock"


@asynccontextmanager
async def granting(client: ApiClient, *, may_act: bool = True) -> AsyncIterator[NodeRanges]:
    """The part of a leading operator that gives CIDRs; it ends as if killed."""
    cluster = WatchedCluster(client, may_act=may_act)
    ranges = NodeRanges(cluster.context, parse_ipam_settings(CONFIG))

    async def lead() -> None:
        async with cluster.watching():
            await ranges.run()

    task = asyncio.ensure_future(lead())
    try:
        yield ranges
    finally:
        task.cancel()
        await asyncio.wait([task])


def chosen(ranges: NodeRanges, name: str) -> list[str]:
    return [
        cidr
        for node in ranges.report()["nodes"]
        if node["node"] == name
        for cidr in node["granted"]
    ]


async def all_cidrs(client: ApiClient) -> dict[str, tuple[str, ...]]:
    found = await client.list(CILIUM_NODES)
    return {node.metadata.name: node.spec.ipam.pod_cidrs for node in found.items}


async def test_chosen_but_not_written_is_nobodys_for_the_next_leader(
    client: ApiClient,
) -> None:
    await add_node(client, "a", pod_cidrs=("10.50.0.0/24",))
    await add_node(client, "b")
    async with granting(client, may_act=False) as deposed:
        await eventually(lambda: chosen(deposed, "b") == ["10.50.1.0/24"])
    assert (await client.get(CILIUM_NODES, "b")).spec.ipam.pod_cidrs == ()

    async with granting(client):
        await add_node(client, "c")
        await until_node(client, "b", lambda node: bool(node.spec.ipam.pod_cidrs))
        await until_node(client, "c", lambda node: bool(node.spec.ipam.pod_cidrs))

    cidrs = await all_cidrs(client)
    assert cidrs["a"] == ("10.50.0.0/24",)
    assert len({*cidrs.values()}) == 3


class DeafClient(ApiClient):
    """Its first patches arrive, but their answers are lost."""

    deaf_to = 2

    async def patch(self, *words: Any, **options: Any) -> Any:
        answer = await super().patch(*words, **options)
        if self.deaf_to:
            self.deaf_to -= 1
            raise UnavailableError(verb="patch", target="ciliumnodes", detail="no answer")
        return answer


async def test_a_write_without_an_answer_gives_no_second_cidr(
    server: EmbeddedServer, client: ApiClient
) -> None:
    await add_node(client, "a")
    await add_node(client, "b")
    async with (
        DeafClient.from_kubeconfig(server.kubeconfig) as deaf,
        granting(deaf) as ranges,
    ):
        await until_pod_cidrs(client, "a", "10.50.0.0/24")
        await until_pod_cidrs(client, "b", "10.50.1.0/24")
        await add_node(client, "c")
        await until_pod_cidrs(client, "c", "10.50.2.0/24")
        await eventually(lambda: not any(chosen(ranges, name) for name in "abc"))

    assert (await client.get(CILIUM_NODES, "a")).metadata.generation == 2


async def test_cidr_that_somebody_removes_again_and_again_comes_back_slowly_and_is_told(
    client: ApiClient,
) -> None:
    await add_node(client, "a")
    await add_node(client, "b")
    async with granting(client) as ranges:
        removals = 0

        async def told() -> str:
            nonlocal removals
            node = await client.get(CILIUM_NODES, "a")
            if node.spec.ipam.pod_cidrs:
                removals += 1
                body = {"spec": {"ipam": {"podCIDRs": None}}}
                await client.patch(CILIUM_NODES, "a", body)
            errors = {node["node"]: str(node["error"]) for node in ranges.report()["nodes"]}
            return errors.get("a", "")

        async with asyncio.timeout(20):
            while not (said := await told()):
                await asyncio.sleep(0.01)
        await until_pod_cidrs(client, "b", "10.50.1.0/24")
        await until_node(client, "a", lambda node: bool(node.spec.ipam.pod_cidrs))

    assert removals == FREE_WRITES
    assert "undone each time: something changes it (" in said


async def test_a_restart_changes_nobodys_cidr(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, CONFIG)
    for number in range(20):
        await add_node(client, f"n{number}")
    async with operator(server, socket):
        for number in range(20):
            await until_node(client, f"n{number}", lambda node: bool(node.spec.ipam.pod_cidrs))
        await client.delete(CILIUM_NODES, "n7")
    before = await all_cidrs(client)

    async with operator(server, socket):
        await add_node(client, "late")
        await until_node(client, "late", lambda node: bool(node.spec.ipam.pod_cidrs))

    after = await all_cidrs(client)
    assert {name: after[name] for name in before} == before
    assert len({*after.values()}) == len(after)


async def test_of_two_operators_one_is_killed_and_no_cidr_is_given_twice(
    server: EmbeddedServer, client: ApiClient, tmp_path: Path
) -> None:
    await configure(client, CONFIG)
    names = [f"n{number}" for number in range(120)]
    joining = asyncio.ensure_future(_join(client, names))
    first = await _start(server, tmp_path / "first.sock")
    async with asyncio.timeout(20):
        await until_node(
            client, names[10], lambda node: bool(node.spec.ipam.pod_cidrs), within_s=20
        )
    second = await _start(server, tmp_path / "second.sock")

    first.kill()
    await first.wait()
    # The lease would keep the second waiting for its term of 15 s.
    await client.delete(LEASES, "cilium-operator-resource-lock", namespace="kube-system")
    await joining

    for name in names:
        await until_node(client, name, lambda node: bool(node.spec.ipam.pod_cidrs), within_s=20)
    second.kill()
    await second.wait()
    cidrs = await all_cidrs(client)
    assert len({*cidrs.values()}) == len(names)


async def _join(client: ApiClient, names: list[str]) -> None:
    for name in names:
        while True:
            with suppress(UnavailableError):
                await add_node(client, name)
                break


async def _start(server: EmbeddedServer, socket: Path) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        RUN,
        f"--health-socket={socket}",
        env={**os.environ, "KUBECONFIG": str(server.kubeconfig)},
        stderr=asyncio.subprocess.DEVNULL,
    )
    await eventually(socket.exists, within_s=20)
    return process


async def test_a_clock_that_jumps_changes_nothing(
    server: EmbeddedServer, client: ApiClient, socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await configure(client, CONFIG)
    real = time.time
    jumps = itertools.cycle((-86_400, 86_400, 10_000_000, 0))
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))
    async with operator(server, socket):
        for number in range(20):
            await add_node(client, f"n{number}")
            await until_pod_cidrs(client, f"n{number}", f"10.50.{number}.0/24")
        document = (await health(socket))[1]

    assert document["leader"]


async def test_a_node_edited_by_hand_while_pods_run_is_reported_and_its_pods_block_kept(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, CONFIG)
    async with operator(server, socket):
        await add_node(client, "a", address="192.0.2.1")
        await until_pod_cidrs(client, "a", "10.50.0.0/24")
        await add_endpoint(client, "web", "10.50.0.7", node_address="192.0.2.1")

        body = {"spec": {"ipam": {"podCIDRs": ["10.50.200.0/24"]}}}
        await client.patch(CILIUM_NODES, "a", body)

        error = await until_error(client, "a", "node has CIDRs allocated (10.50.0.0/24)")
        assert "conflict with requested CIDRs (10.50.200.0/24)" in error
        for number in range(1, 4):
            await add_node(client, f"n{number}")
            await until_pod_cidrs(client, f"n{number}", f"10.50.{number}.0/24")
        await client.delete(CILIUM_ENDPOINTS, "web", namespace="default")
        await until_no_error(client, "a")


async def test_a_cidr_that_is_none_is_reported_and_nothing_is_given(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, CONFIG)
    async with operator(server, socket):
        await add_node(client, "a", pod_cidrs=("everything",))
        await until_error(client, "a", "'everything' is no CIDR")
        await add_node(client, "b")
        await until_pod_cidrs(client, "b", "10.50.0.0/24")


async def test_an_api_server_that_is_away_delays_grants_only(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, CONFIG)
    async with operator(server, socket):
        await add_node(client, "a")
        await until_pod_cidrs(client, "a", "10.50.0.0/24")
        await server.stop()
        await server.start()
        await _join(client, ["b"])
        await until_node(client, "b", _has_cidrs, within_s=30)

    cidrs = await all_cidrs(client)
    assert cidrs == {"a": ("10.50.0.0/24",), "b": ("10.50.1.0/24",)}


def _has_cidrs(node: CiliumNode) -> bool:
    return bool(node.spec.ipam.pod_cidrs)


async def test_pools_and_nodes_are_shown_on_the_health_socket(
    server: EmbeddedServer, client: ApiClient, socket: Path
) -> None:
    await configure(client, CONFIG | {"cluster-pool-ipv4-cidr": "10.50.0.0/23"})
    await add_node(client, "a", draining="10.50.1.0/24")
    await add_node(client, "b", pod_cidrs=("10.50.0.0/24",))
    async with operator(server, socket):
        await until_pod_cidrs(client, "a", "10.50.1.0/24")
        await add_node(client, "c")
        await until_error(client, "c", "allocator full")
        status, document = await health(socket, "/ipam")

    assert status == 200
    [pool] = document["pools"]
    assert (pool["pool"], pool["family"], pool["blocks"]) == ("default", "ipv4", 2)
    assert (pool["used"], pool["free"], pool["exhausted"]) == (2, 0, True)
    assert pool["seconds_to_exhaustion"] == 0
    nodes = {node["node"]: node for node in document["nodes"]}
    assert nodes["a"]["cidrs"] == ["10.50.1.0/24"]
    assert nodes["c"]["waiting_for"] == ["default ipv4"]
    assert "allocator full" in nodes["c"]["error"]


async def test_of_nodes_that_wait_only_those_that_may_be_served_are_asked_again(
    client: ApiClient,
) -> None:
    allocator = ClusterAllocator()
    allocator.define(*FULL, 24, ["10.0.0.0/24"])
    allocator.learn("owner", ["10.0.0.0/25"], [])
    allocator.learn("old", ["10.0.0.128/25"], [])
    asked: Counter[str] = Counter()

    def decide(node: CiliumNode, _settled: bool) -> Decision:  # noqa: FBT001 - as it is called
        asked[node.metadata.name] += 1
        return Decision(short_of=frozenset({FULL}))

    for name in ("new", "old"):
        await add_node(client, name)
    table = Informer(client, CILIUM_NODES)
    granting = Granting(
        table,
        allocator,
        decide,
        CidrWriter(client, may_act=lambda: True),
        EventRecorder(client, component="test"),
        current=lambda: True,
        outside_changed=lambda: None,
    )

    async def serve() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(table.run())
            await table.synced()
            granting.run(tasks)
            granting.enqueue_all()

    task = asyncio.ensure_future(serve())
    await eventually(lambda: set(granting.states.waiting) == {"new", "old"})

    # "old" has a part of the block: it may be its own once "owner" has gone.
    granting.enqueue_promising()
    await eventually(lambda: asked["old"] == 2)
    assert asked["new"] == 1

    allocator.forget("owner")
    allocator.forget("old")
    granting.enqueue_promising()
    await eventually(lambda: asked["new"] == 2)
    task.cancel()
    await asyncio.wait([task])


def test_asking_a_full_pool_costs_the_same_however_many_nodes_there_are() -> None:
    def asking_s(nodes: int) -> float:
        allocator = ClusterAllocator()
        allocator.define(*FULL, 24, ["10.0.0.0/24"])
        allocator.grant("first", *FULL)
        for number in range(nodes):
            allocator.place(f"n{number}", [str(ip_address("172.16.0.0") + number)])
        began_s = process_time()
        for _ in range(50):
            with pytest.raises(PoolBlocksExhaustedError):
                allocator.grant("late", *FULL)
        return process_time() - began_s

    # It was 400 times as much; what is asked of a machine under load is not exactly the same.
    assert min(asking_s(4000) for _ in range(3)) < 20 * min(asking_s(10) for _ in range(3))
