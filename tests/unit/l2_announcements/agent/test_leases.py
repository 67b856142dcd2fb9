"""Which Leases a node holds: those of Services that it may announce, each held by one node."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.unit.kube.conftest import FakeApi, eventually

from ciliate.api.resource import ObjectKey
from ciliate.kube.client import ApiClient
from ciliate.kube.credentials import Credentials
from ciliate.kube.election import Timing
from ciliate.l2_announcements.agent.leases import Leases

TIMING = Timing(lease_s=0.9, renew_deadline_s=0.5, retry_s=0.05)
WEB: ObjectKey = ("default", "web")
SHOP: ObjectKey = ("default", "shop")
PATH = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{}"


class Node:
    """A node's Leases, and what was held whenever that changed."""

    def __init__(self, client: ApiClient, name: str, tasks: asyncio.TaskGroup) -> None:
        self.seen: list[set[ObjectKey]] = []
        self.leases = Leases(
            client,
            namespace="kube-system",
            node=name,
            timing=TIMING,
            changed=lambda: self.seen.append(set(self.leases.held)),
        )
        self._tasks = tasks

    def follow(self, *keys: ObjectKey) -> None:
        self.leases.follow({key: key[1] for key in keys}, self._tasks)

    def holds(self, *keys: ObjectKey) -> bool:
        return self.leases.held == set(keys)


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    found = FakeApi()
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
async def client(api: FakeApi) -> AsyncIterator[ApiClient]:
    async with ApiClient(Credentials(api.url)) as opened:
        yield opened


def holder(api: FakeApi, name: str) -> str:
    return str(api.objects.get(PATH.format(name), {}).get("spec", {}).get("holderIdentity") or "")


async def test_of_two_nodes_one_holds_each_lease(api: FakeApi, client: ApiClient) -> None:
    async with asyncio.TaskGroup() as tasks:
        nodes = [Node(client, name, tasks) for name in ("a", "b")]
        for node in nodes:
            node.follow(WEB, SHOP)

        await eventually(lambda: sum(len(node.leases.held) for node in nodes) == 2)

        for key in (WEB, SHOP):
            (owner,) = (
                name for name, node in zip("ab", nodes, strict=True) if key in node.leases.held
            )
            assert holder(api, key[1]) == owner
        for node in nodes:
            node.follow()


async def test_lease_that_is_followed_no_more_is_let_go_before_it_is_released(
    api: FakeApi, client: ApiClient
) -> None:
    async with asyncio.TaskGroup() as tasks:
        node, other = Node(client, "a", tasks), Node(client, "b", tasks)
        node.follow(WEB, SHOP)
        await eventually(lambda: node.holds(WEB, SHOP))

        node.follow(SHOP)
        await eventually(lambda: node.holds(SHOP))
        other.follow(WEB)
        await eventually(lambda: other.holds(WEB))

        assert holder(api, "web") == "b"
        assert node.seen[-1] == {SHOP}
        node.follow()
        other.follow()


async def test_lease_that_cannot_be_renewed_is_held_no_more(
    api: FakeApi, client: ApiClient
) -> None:
    async with asyncio.TaskGroup() as tasks:
        node = Node(client, "a", tasks)
        node.follow(WEB)
        await eventually(lambda: node.holds(WEB))

        api.running.clear()
        await eventually(node.holds)
        api.running.set()
        await eventually(lambda: node.holds(WEB))

        assert node.seen == [{WEB}, set(), {WEB}]
        node.follow()
