"""Which nodes are looked at, and how often, without the decisions about them."""

import asyncio
from collections import Counter
from ipaddress import ip_address
from time import process_time

import pytest
from tests.unit.kube.conftest import eventually
from tests.unit.operator.cluster import add_node

from ciliate.api.cilium_node import CILIUM_NODES, CiliumNode
from ciliate.ipam.cluster import ClusterAllocator
from ciliate.ipam.operator.cidr_writer import CidrWriter
from ciliate.ipam.operator.granting import Granting
from ciliate.ipam.operator.node_cidrs import Decision
from ciliate.ipam.pool_errors import PoolExhaustedError
from ciliate.kube.client import ApiClient
from ciliate.kube.events import EventRecorder
from ciliate.kube.informer import Informer

FULL = ("default", 4)


async def test_of_nodes_that_wait_only_those_that_may_be_served_are_asked_again(
    client: ApiClient,
) -> None:
    allocator = ClusterAllocator()
    allocator.define(*FULL, 24, ["10.0.0.0/24"])
    allocator.learn("holder", ["10.0.0.0/25"], [])
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

    # "old" has a part of the block: it may be its own once "holder" has gone.
    granting.enqueue_promising()
    await eventually(lambda: asked["old"] == 2)
    assert asked["new"] == 1

    allocator.forget("holder")
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
            with pytest.raises(PoolExhaustedError):
                allocator.grant("late", *FULL)
        return process_time() - began_s

    # It was 400 times as much; what is asked of a machine under load is not exactly the same.
    assert min(asking_s(4000) for _ in range(3)) < 20 * min(asking_s(10) for _ in range(3))
