"""`endpoint/publication.py`: what is published about this node's pods."""

from ipaddress import ip_address
from typing import cast

import pytest
from tests.unit.identity.identity_api import publish
from tests.unit.node.cluster_tables import (
    NODE_IP,
    all_listed,
    cilium_endpoint,
    kube_node,
    new_cluster,
)
from tests.unit.node.endpoint_samples import endpoint

from ciliate.api.cilium_endpoint import CiliumEndpoint, EndpointState
from ciliate.api.core import MIRROR_ANNOTATION, Pod, PodStatus
from ciliate.api.metadata import ObjectMeta
from ciliate.api.resource import ObjectKey, Resource
from ciliate.endpoint.publication import (
    CiliumEndpointTarget,
    ForeignObjectError,
    Publications,
    publication,
)
from ciliate.kube.client import ApiClient
from ciliate.kube.document import ObjectList
from ciliate.kube.errors import ConflictError, KubeError, NotFoundError, UnavailableError
from ciliate.node.endpoint_table import EndpointTable


class Api:
    """Takes writes of CiliumEndpoints; those of pods in `refused` fail."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.refused: set[str] = set()
        self.held: dict[str, tuple[str, str]] = {}  # uid and resourceVersion, where they matter.
        self.pods: tuple[Pod, ...] = ()

    def _note(self, verb: str, name: str) -> None:
        if name in self.refused:
            raise UnavailableError(verb=verb, target=name, detail="away", status=503)
        self.calls.append(f"{verb} {name}")

    async def create(self, _resource: Resource[CiliumEndpoint], item: CiliumEndpoint) -> None:
        self._note("create", item.metadata.name)

    async def patch(
        self, _resource: object, name: str, item: CiliumEndpoint, *, namespace: str
    ) -> None:
        assert namespace == "default"
        if name == "gone":
            raise NotFoundError(verb="patch", target=name, detail="not found", status=404)
        version = item.metadata.resource_version
        assert version, "only what the watch reported is changed"
        if self.held.get(name, ("", version)) != ("", version):
            raise ConflictError(verb="patch", target=name, detail="changed", status=409)
        self._note("patch", name)

    async def list(
        self, _resource: object, *, namespace: str, field_selector: str
    ) -> ObjectList[Pod]:
        assert namespace == "default"
        name = field_selector.removeprefix("metadata.name=")
        return ObjectList(tuple(pod for pod in self.pods if pod.metadata.name == name), "1")

    async def delete(
        self, _resource: object, name: str, *, namespace: str, uid: str, resource_version: str
    ) -> None:
        assert namespace == "default"
        if self.held.get(name, (uid, resource_version)) != (uid, resource_version):
            raise ConflictError(verb="delete", target=name, detail="changed", status=409)
        if name == "gone":
            raise NotFoundError(verb="delete", target=name, detail="not found", status=404)
        self._note("delete", name)


def pod(name: str, uid: str, *, phase: str = "Running", mirrored: str = "") -> Pod:
    annotations = {MIRROR_ANNOTATION: mirrored} if mirrored else {}
    return Pod(
        metadata=ObjectMeta(name=name, namespace="default", uid=uid, annotations=annotations),
        status=PodStatus(phase=phase),
    )


def pods(*uids: str) -> dict[ObjectKey, Pod]:
    """Return Pods of this node: the first is pod-1."""
    names = (f"pod-{number}" for number in range(1, len(uids) + 1))
    return {("default", name): pod(name, uid) for name, uid in zip(names, uids, strict=True)}


def target(api: Api) -> tuple[CiliumEndpointTarget, Api]:
    cluster = new_cluster()
    all_listed(cluster)
    publish(cluster.endpoints, cilium_endpoint("pod-1", "10.244.0.1", node=str(NODE_IP)))
    publish(cluster.endpoints, cilium_endpoint("gone", "10.244.0.9", node=str(NODE_IP)))
    publish(cluster.endpoints, cilium_endpoint("moved", "10.244.1.9"))
    made = CiliumEndpointTarget(
        cast("ApiClient", api), cluster.endpoints, is_here=cluster.own.is_named
    )
    return made, api


def test_only_pods_whose_identity_is_known_are_published() -> None:
    table = EndpointTable()
    table.put(endpoint(1, pod_uid="u1", identity=8066))
    table.put(endpoint(2, pod_uid="u2", state=EndpointState.WAITING_FOR_IDENTITY))
    table.put(endpoint(3, pod_uid=""))

    published = Publications(table, pods("u1", "u2", ""), NODE_IP)

    assert set(published) == {("default", "pod-1")}
    assert len(published) == 1
    status = published["default", "pod-1"].status
    assert status.identity is not None
    assert (status.identity.id, status.state) == (8066, "ready")
    assert ("default", "pod-2") not in published


def test_newest_sandbox_speaks_for_the_pod() -> None:
    table = EndpointTable()
    old = endpoint(1, pod="web", pod_uid="u")
    new = endpoint(2, pod="web", pod_uid="u", created=old.created.replace(year=2027))
    table.put(new)
    table.put(old)

    here = {("default", "web"): pod("web", "u")}
    assert Publications(table, here, NODE_IP)["default", "web"].status.id == 2


def test_pod_that_kubernetes_has_no_more_on_this_node_is_not_published() -> None:
    """Its sandbox lives: the pod was deleted by force, or came up elsewhere with another uid."""
    table = EndpointTable()
    for number in range(1, 5):
        table.put(endpoint(number, pod_uid=f"u{number}"))
    here = pods("u1", "of its successor", "u3")
    here["default", "pod-3"] = pod("pod-3", "u3", phase="Succeeded")

    published = Publications(table, here, NODE_IP)

    assert set(published) == {("default", "pod-1")}
    assert all(published.get(("default", f"pod-{number}")) is None for number in (2, 3, 4))


def test_mirror_of_a_static_pod_owns_what_is_published_about_it() -> None:
    table = EndpointTable()
    table.put(endpoint(1, pod="static", pod_uid="hash"))
    mirror = pod("static", "uid-of-the-mirror", mirrored="hash")
    former = pod("static", "uid-of-the-former", mirrored="hash-of-the-file-before")

    published = Publications(table, {("default", "static"): mirror}, NODE_IP)

    assert published["default", "static"].pod_uid == "uid-of-the-mirror"
    assert not Publications(table, {("default", "static"): former}, NODE_IP)


async def test_object_of_another_nodes_pod_is_left_alone_though_a_sandbox_is_here() -> None:
    """A StatefulSet's pod came up elsewhere, and the table of Pods here is late."""
    made, api = target(Api())
    api.pods = (pod("moved", "the new one"),)
    stale = publication(endpoint(3, pod="moved", pod_uid="the old one"), NODE_IP)

    failures = await made.put({("default", "moved"): stale})

    assert api.calls == []
    assert isinstance(failures["default", "moved"], ForeignObjectError)
    assert "default/moved is another node's" in str(failures["default", "moved"])


async def test_newer_pod_takes_over_the_object_that_its_former_node_left() -> None:
    made, api = target(Api())
    api.pods = (pod("moved", "the new one"),)
    new = publication(endpoint(3, pod="moved", pod_uid="the new one"), NODE_IP)

    assert await made.put({("default", "moved"): new}) == {}

    assert api.calls == ["patch moved"]


async def test_object_that_another_node_took_over_unseen_is_not_changed() -> None:
    made, api = target(Api())
    api.held["pod-1"] = ("", "changed since the watch reported it")

    failures = await made.put(
        {("default", "pod-1"): publication(endpoint(1, pod_uid="u1", identity=9), NODE_IP)}
    )

    assert isinstance(failures["default", "pod-1"], ConflictError)
    assert api.calls == []


async def test_object_that_is_gone_unseen_is_not_made_before_the_watch_says_so() -> None:
    """Its owner may be what is gone."""
    made, api = target(Api())
    changed = publication(endpoint(9, pod="gone", pod_uid="u9"), NODE_IP)

    assert await made.put({("default", "gone"): changed}) == {}

    assert api.calls == []


def test_second_interface_does_not_speak_for_the_pod() -> None:
    here = {("default", "web"): pod("web", "u")}
    table = EndpointTable()
    first = endpoint(1, pod="web", pod_uid="u")
    later = first.created.replace(year=2027)
    second = endpoint(2, pod="web", pod_uid="u", container_id="c1", pod_name="net1", created=later)
    for each in (first, second):
        table.put(each)
        assert Publications(table, here, NODE_IP)["default", "web"].status.id == 1

    table.remove(2)
    assert Publications(table, here, NODE_IP)["default", "web"].status.id == 1


async def test_only_objects_of_this_node_are_ours() -> None:
    made, _ = target(Api())

    observed = await made.observe()

    assert observed.keys() == {("default", "pod-1"), ("default", "gone")}


async def test_objects_are_made_or_changed_and_one_that_says_so_already_is_left_alone() -> None:
    made, api = target(Api())
    new = publication(endpoint(2, pod_uid="u2"), NODE_IP)
    standing = (await made.observe())["default", "pod-1"]
    changed = publication(endpoint(1, pod_uid="u1", identity=9), NODE_IP)

    await made.put({("default", "pod-2"): new, ("default", "pod-1"): changed})
    await made.put({("default", "pod-1"): standing})

    assert sorted(api.calls) == ["create pod-2", "patch pod-1"]


async def test_an_object_of_another_node_by_now_is_not_deleted_and_a_gone_one_is_a_success() -> (
    None
):
    made, api = target(Api())

    failures = await made.remove(
        [("default", "moved"), ("default", "gone"), ("default", "pod-1"), ("default", "never")]
    )

    assert failures == {}
    assert api.calls == ["delete pod-1"]


async def test_an_object_that_its_new_node_took_over_unseen_is_not_deleted() -> None:
    made, api = target(Api())
    api.held["pod-1"] = ("", "changed since the watch reported it")

    failures = await made.remove([("default", "pod-1")])

    assert failures == {}
    assert api.calls == []


async def test_a_pod_that_the_server_refuses_does_not_stop_the_others() -> None:
    made, api = target(Api())
    api.refused.add("pod-2")
    two = publication(endpoint(2, pod_uid="u2"), NODE_IP)
    three = publication(endpoint(3, pod_uid="u3"), NODE_IP)

    failures = await made.put({("default", "pod-2"): two, ("default", "pod-3"): three})

    assert failures.keys() == {("default", "pod-2")}
    assert isinstance(failures["default", "pod-2"], KubeError)
    assert api.calls == ["create pod-3"]


@pytest.mark.parametrize("address", ["10.244.0.1", "fd00::1"])
def test_publication_names_the_addresses_by_family(address: str) -> None:
    published = publication(endpoint(1, addresses=(ip_address(address),)), NODE_IP)

    assert published.status.networking is not None
    (pair,) = published.status.networking.addressing
    assert {pair.ipv4, pair.ipv6} == {address, ""}


async def test_objects_by_the_nodes_former_address_are_ours_to_change_and_delete() -> None:
    cluster = new_cluster()
    all_listed(cluster)
    publish(cluster.endpoints, cilium_endpoint("pod-1", "10.244.0.1", node=str(NODE_IP)))
    publish(cluster.endpoints, cilium_endpoint("over", "10.244.0.9", node=str(NODE_IP)))
    api, later = Api(), ip_address("192.168.10.150")
    made = CiliumEndpointTarget(
        cast("ApiClient", api), cluster.endpoints, is_here=cluster.own.is_named
    )

    publish(cluster.own_node, kube_node(str(later)))
    assert (await made.observe()).keys() == {("default", "pod-1"), ("default", "over")}
    await made.put({("default", "pod-1"): publication(endpoint(1, pod_uid="u1"), later)})
    await made.remove([("default", "over")])

    assert api.calls == ["patch pod-1", "delete over"]
