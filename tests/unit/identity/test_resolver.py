"""`identity/resolver.py`: every endpoint gets, and keeps, the number of its pod's labels."""

import asyncio
from pathlib import Path

import pytest
from tests.unit.identity.identity_api import IdentityApi, identity, publish, withdraw
from tests.unit.node.cluster_tables import new_cluster
from tests.unit.node.endpoint_samples import endpoint

from ciliate.api.cilium_endpoint import EndpointState
from ciliate.api.core import MIRROR_ANNOTATION, Namespace, Pod, PodSpec
from ciliate.api.metadata import ObjectMeta
from ciliate.config.label_filter import LabelFilter
from ciliate.identity.registry import IdentityRegistry
from ciliate.identity.resolver import IdentityResolver
from ciliate.node.endpoint_store import EndpointStore
from ciliate.node.endpoint_table import EndpointTable
from ciliate.reconcile.backoff import Backoff
from ciliate.reconcile.failing_keys import FailingKeys


class Place:
    """A node's endpoints, the watched tables of pods, and an API server for identities."""

    def __init__(self, folder: Path) -> None:
        self.api = IdentityApi()
        self.cluster = new_cluster(self.api)
        self.table = EndpointTable()
        self.store = EndpointStore(folder)
        self.resolver = IdentityResolver(
            self.cluster,
            IdentityRegistry(self.api.as_client, self.cluster.identities),
            self.table,
            self.store,
            cluster_name="default",
            label_filter=LabelFilter.parse(()),
        )
        publish(self.cluster.namespaces, Namespace(ObjectMeta(name="default")))

    def runs(self, number: int, *, uid: str = "", mirrored: str = "", **labels: str) -> None:
        """Let the watch report pod-<number>."""
        meta = ObjectMeta(
            name=f"pod-{number}",
            namespace="default",
            uid=uid or f"uid-{number}",
            labels=labels,
            annotations={MIRROR_ANNOTATION: mirrored} if mirrored else {},
        )
        publish(self.cluster.pods, Pod(meta, PodSpec(node_name="k8s-ctr")))

    def attach(self, number: int, *, uid: str = "") -> None:
        """Let an ADD have made the endpoint of pod-<number>."""
        waiting = EndpointState.WAITING_FOR_IDENTITY
        self.table.put(endpoint(number, state=waiting, pod_uid=uid, identity=5))

    async def resolve(self) -> bool:
        """Let the resolver run once, then let the watch report what it created."""
        succeeded = await self.resolver._resolve_all()
        for each in self.api.held.values():
            publish(self.cluster.identities, each)
        return succeeded

    def identity(self, number: int) -> int:
        found = self.table.get(number)
        assert found is not None
        return found.identity


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "endpoints")


async def test_endpoint_becomes_its_pod(place: Place) -> None:
    place.attach(1)
    place.runs(1, app="web")

    assert await place.resolve()

    found = place.table.get(1)
    assert found is not None
    assert (found.state, found.pod_uid) == (EndpointState.READY, "uid-1")
    assert "k8s:app=web" in found.labels
    assert place.api.held[str(found.identity)].security_labels["k8s:app"] == "web"
    assert [kept.identity for kept in place.store.load()] == [found.identity]


async def test_replicas_share_one_identity(place: Place) -> None:
    for number in (1, 2):
        place.attach(number)
        place.runs(number, app="web", **{"pod-template-hash": f"h{number}"})

    await place.resolve()

    assert place.identity(1) == place.identity(2)
    assert len(place.api.created) == 1


async def test_failing_endpoint_does_not_stop_the_others(place: Place) -> None:
    for number, app in ((1, "broken"), (2, "web"), (3, "broken")):
        place.attach(number)
        place.runs(number, app=app)
    place.api.refused_value = "broken"

    assert not await place.resolve()

    assert place.identity(2) != 5
    assert place.identity(1) == place.identity(3) == 5
    assert place.resolver.status.last_failure.startswith("2 failed; first 1: ")
    assert list(place.resolver.status.failing_keys) == ["1", "3"]
    place.api.refused_value = ""
    async with asyncio.timeout(5):
        while not await place.resolve():  # Each after its pause.
            await asyncio.sleep(0)
    assert place.resolver.status.failing_keys == {}
    assert place.identity(1) == place.identity(3) != 5


async def test_new_pod_does_not_wait_for_the_retry_of_one_that_fails(place: Place) -> None:
    place.resolver._failing = FailingKeys(lambda: Backoff(first_s=3600.0, limit_s=3600.0))
    place.api.refused_value = "broken"
    place.attach(1)
    place.runs(1, app="broken")
    running = asyncio.create_task(place.resolver.run())

    try:
        async with asyncio.timeout(5):
            while not place.resolver.status.failing_keys:
                await asyncio.sleep(0)
            place.attach(2)
            place.runs(2, app="web")
            while place.identity(2) == 5:
                await asyncio.sleep(0)
    finally:
        running.cancel()

    assert place.identity(1) == 5


async def test_endpoint_that_is_gone_fails_no_more(place: Place) -> None:
    place.api.refused_value = "broken"
    place.attach(1)
    place.runs(1, app="broken")
    assert not await place.resolve()

    place.table.remove(1)

    async with asyncio.timeout(5):
        while not await place.resolve():
            await asyncio.sleep(0)


async def test_label_change_changes_the_identity(place: Place) -> None:
    place.attach(1)
    place.runs(1, app="web")
    await place.resolve()
    before = place.identity(1)

    place.runs(1, app="shop")
    await place.resolve()

    found = place.table.get(1)
    assert found is not None
    assert found.identity != before
    assert "k8s:app=shop" in found.labels


async def test_predecessor_of_the_same_name_gives_no_identity(place: Place) -> None:
    place.runs(1, uid="former", app="former")
    place.attach(1, uid="latter")

    await place.resolve()
    assert place.identity(1) == 5
    assert place.resolver.known("default", "pod-1", "latter") is None

    place.runs(1, uid="latter", app="latter")
    await place.resolve()
    found = place.table.get(1)
    assert found is not None
    assert "k8s:app=latter" in found.labels


async def test_static_pod_has_the_identity_of_its_mirror(place: Place) -> None:
    """Its runtime names the hash of its file, which a mirror has as an annotation."""
    place.runs(1, mirrored="hash-before", app="former")
    place.attach(1, uid="hash")
    await place.resolve()
    assert place.identity(1) == 5

    place.runs(1, uid="uid-next", mirrored="hash", app="latter")
    await place.resolve()

    found = place.table.get(1)
    assert found is not None
    assert "k8s:app=latter" in found.labels
    assert (found.state, found.pod_uid) == (EndpointState.READY, "hash")
    assert place.resolver.known("default", "pod-1", "hash") is not None


async def test_pod_that_is_not_known_yet_waits_without_failing(place: Place) -> None:
    place.attach(1)
    assert await place.resolve()

    place.runs(1, app="web")
    withdraw(place.cluster.namespaces, "default")
    assert await place.resolve()

    assert place.identity(1) == 5


async def test_add_knows_a_pod_whose_labels_have_a_number(place: Place) -> None:
    place.runs(1, app="web")
    assert place.resolver.known("default", "pod-1", "uid-1") is None
    place.attach(1)
    await place.resolve()

    place.runs(2, app="web")

    known = place.resolver.known("default", "pod-2", "uid-2")
    assert known is not None
    assert known[0] == place.identity(1)


async def test_endpoint_on_its_way_out_is_left_alone(place: Place) -> None:
    place.runs(1, app="web")
    place.table.put(endpoint(1, state=EndpointState.DISCONNECTING, identity=5))

    await place.resolve()

    assert place.identity(1) == 5
    assert place.api.created == []


async def test_number_that_is_used_again_is_claimed_from_the_operator(place: Place) -> None:
    place.attach(1)
    place.runs(1, app="web")
    await place.resolve()
    number = place.identity(1)
    labels = place.api.held[str(number)].security_labels
    publish(place.cluster.identities, identity(number, labels, io_cilium_heartbeat="long ago"))

    await place.resolver._resolve_all()

    assert [name for name, _ in place.api.patches] == [str(number)]


async def test_any_change_wakes_the_resolver(place: Place) -> None:
    place.resolver._woken.clear()
    place.runs(1, app="web")
    assert place.resolver._woken.is_set()
    place.resolver._woken.clear()
    place.attach(1)
    assert place.resolver._woken.is_set()
