"""`ipam/agent/address_source.py`: pods without an address are counted; no deleted pod waits."""

import asyncio
from contextlib import suppress
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.unit.endpoint.attachment_node import add
from tests.unit.endpoint.pod_links import settle
from tests.unit.identity.identity_api import publish, withdraw
from tests.unit.node.cluster_tables import all_listed, new_cluster, own_node

from ciliate.api.core import MIRROR_ANNOTATION, NAMESPACES, PODS, Namespace, Pod
from ciliate.api.metadata import ObjectMeta
from ciliate.api.pod_ip_pool import CiliumPodIPPool, PodIPPoolSpec, PoolCIDRs
from ciliate.cni.errors import CniCode, CniError
from ciliate.config.installation import Installation
from ciliate.ipam.agent.address_source import OwnAddresses
from ciliate.ipam.node import NodeAddresses
from ciliate.kube.document import ObjectList
from ciliate.node.cluster import Cluster

CIDR = ip_network("10.0.0.0/30")  # Two pods' worth.


class Api:
    """Lists one namespace, or one pod, when the test allows it; gets none, as the agents' role."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()
        self.pods: dict[str, Pod] = {}

    async def list(
        self, resource: object, *, namespace: str, field_selector: str
    ) -> ObjectList[Any]:
        name = field_selector.removeprefix("metadata.name=")
        if resource is PODS:
            return ObjectList(tuple(filter(None, [self.pods.get(name)])), "1")
        assert (resource, namespace) == (NAMESPACES, "")
        await self.answers.wait()
        return ObjectList((Namespace(metadata=ObjectMeta(name=name)),), "1")


class Source:
    """Addresses of a node that has no CIDR yet."""

    def __init__(self, *, with_pools: bool = False) -> None:
        self.api = Api()
        self.addresses = NodeAddresses((4,))
        self.cluster = new_cluster()
        if with_pools:
            self.cluster = Cluster(cast("Any", self.api), own_node(), with_pools=True)
            all_listed(self.cluster)
            assert self.cluster.pools is not None
            spec = PodIPPoolSpec(ipv4=PoolCIDRs(("10.0.0.0/16",), 30))
            publish(self.cluster.pools, CiliumPodIPPool(ObjectMeta(name="default"), spec))
        context = SimpleNamespace(
            cluster=self.cluster,
            client=self.api,
            settings=SimpleNamespace(ipam=SimpleNamespace(default_pool="default")),
            installation=Installation(),
        )
        cidrs = SimpleNamespace(missing_of=lambda _pools: "no CIDR", refusal="")
        self.source = OwnAddresses(cast("Any", context), self.addresses, cast("Any", cidrs), None)

    def pod(self, name: str, *, mirrored: str = "") -> None:
        """The watch reports a pod; `mirrored`: it is the mirror of a static one."""
        annotations = {MIRROR_ANNOTATION: mirrored} if mirrored else {}
        uid = f"uid-{name}" if not mirrored else "uid-of-the-mirror"
        meta = ObjectMeta(name=name, namespace="default", uid=uid, annotations=annotations)
        publish(self.cluster.pods, Pod(meta))


async def test_pods_that_wait_for_the_nodes_first_cidr_are_counted() -> None:
    node = Source()
    node.pod("a")
    asked = asyncio.create_task(node.source.allocate(add("a")))
    await settle()
    assert node.source.pending == {("default", 4): 1}

    node.addresses.set_current({"default": [CIDR]})

    assert (await asked)[0] in CIDR
    assert node.source.pending == {}


async def test_pods_of_a_full_node_are_counted_until_they_are_gone() -> None:
    """Their ADDs fail at once, and the kubelet asks again."""
    node = Source()
    node.addresses.set_current({"default": [CIDR]})
    for name in ("a", "b", "c", "d"):
        node.pod(name)
        with suppress(CniError):
            await node.source.allocate(add(name))
    assert node.source.pending == {("default", 4): 2}

    withdraw(node.cluster.pods, "c", "default")

    assert node.source.pending == {("default", 4): 1}


@pytest.mark.parametrize("mirrored", ["", "uid-a"], ids=["pod", "static pod"])
async def test_deleted_pod_ends_the_wait_for_the_first_cidr(mirrored: str) -> None:
    node = Source()
    node.pod("a", mirrored=mirrored)
    asked = asyncio.create_task(node.source.allocate(add("a")))
    await settle()

    withdraw(node.cluster.pods, "a", "default")

    async with asyncio.timeout(5):
        with pytest.raises(CniError, match="was deleted while it waited"):
            await asked
    assert node.source.pending == {}


@pytest.mark.parametrize("mirrored", ["", "uid-a"], ids=["pod", "static pod"])
async def test_pod_that_is_deleted_while_its_pool_is_chosen_does_not_wait(mirrored: str) -> None:
    node = Source(with_pools=True)
    node.pod("a", mirrored=mirrored)
    asked = asyncio.create_task(node.source.allocate(add("a")))
    await settle()

    withdraw(node.cluster.pods, "a", "default")
    node.api.answers.set()

    async with asyncio.timeout(5):
        with pytest.raises(CniError, match="was deleted while it waited"):
            await asked
    assert node.source.pending == {}


@pytest.mark.parametrize(
    ("stands", "said"),
    [
        ("", "has no Pod default/a of uid uid-a"),
        ("uid-of-its-predecessor", "has no Pod default/a"),
    ],
    ids=["none", "its predecessor"],
)
async def test_pod_that_neither_watch_nor_server_knows_has_no_pool_yet(
    stands: str, said: str
) -> None:
    """The annotations of a predecessor may name another pool."""
    node = Source(with_pools=True)
    if stands:
        node.api.pods["a"] = Pod(ObjectMeta(name="a", namespace="default", uid=stands))

    with pytest.raises(CniError, match=said) as refused:
        await node.source.allocate(add("a"))

    assert refused.value.code == CniCode.TRY_AGAIN_LATER


async def test_pod_that_the_watch_has_not_reported_is_asked_for() -> None:
    node = Source(with_pools=True)
    node.addresses.set_current({"default": [CIDR]})
    node.api.pods["a"] = Pod(ObjectMeta(name="a", namespace="default", uid="uid-a"))
    node.api.answers.set()

    (address,) = await node.source.allocate(add("a"))

    assert address in CIDR
