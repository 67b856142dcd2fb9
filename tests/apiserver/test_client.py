"""The official Python client against the server: what controllers do."""

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException

from .conftest import ServerProcess


@pytest.fixture(scope="module")
def api(server: ServerProcess) -> Iterator[Any]:
    made = config.new_client_from_config(config_file=str(server.kubeconfig))
    yield made
    made.close()


@pytest.fixture
def core(api: Any) -> Any:
    return client.CoreV1Api(api)


#: What every namespace has from the start.
AUTHORITY = "kube-root-ca.crt"


def config_map(name: str, **labels: str) -> Any:
    return client.V1ConfigMap(
        metadata=client.V1ObjectMeta(name=name, labels=labels), data={"a": "b"}
    )


def test_create_read_replace_and_delete(core: Any, namespace: str) -> None:
    made = core.create_namespaced_config_map(namespace, config_map("c"))
    read = core.read_namespaced_config_map("c", namespace)
    read.data["a"] = "c"
    replaced = core.replace_namespaced_config_map("c", namespace, read)
    core.delete_namespaced_config_map("c", namespace)

    assert made.metadata.uid == replaced.metadata.uid
    assert int(replaced.metadata.resource_version) > int(made.metadata.resource_version)
    with pytest.raises(ApiException) as gone:
        core.read_namespaced_config_map("c", namespace)
    assert gone.value.status == 404


def test_stale_resource_version_conflicts(core: Any, namespace: str) -> None:
    stale = core.create_namespaced_config_map(namespace, config_map("c"))
    core.patch_namespaced_config_map("c", namespace, {"data": {"a": "x"}})

    with pytest.raises(ApiException) as refused:
        core.replace_namespaced_config_map("c", namespace, stale)

    assert refused.value.status == 409
    assert "the object has been modified" in refused.value.body


def test_lists_by_label_and_field(core: Any, namespace: str) -> None:
    for name, color in (("a", "red"), ("b", "green"), ("c", "blue")):
        core.create_namespaced_config_map(namespace, config_map(name, color=color))

    def names(**query: str) -> list[str]:
        found = core.list_namespaced_config_map(namespace, **query)
        return [item.metadata.name for item in found.items]

    assert names(label_selector="color in (red,green)") == ["a", "b"]
    assert names(label_selector="color!=red") == ["b", "c", AUTHORITY]
    assert names(label_selector="!color") == [AUTHORITY]
    assert names(field_selector="metadata.name=c") == ["c"]


def test_chunks_show_one_revision(core: Any, namespace: str) -> None:
    for index in range(5):
        core.create_namespaced_config_map(namespace, config_map(f"c{index}"))
    first = core.list_namespaced_config_map(namespace, limit=2)
    core.delete_namespaced_config_map("c3", namespace)
    core.create_namespaced_config_map(namespace, config_map("c9"))

    token = first.metadata._continue
    rest = core.list_namespaced_config_map(namespace, limit=9, _continue=token)

    assert first.metadata.remaining_item_count == 4
    assert [item.metadata.name for item in rest.items] == ["c2", "c3", "c4", AUTHORITY]
    assert rest.metadata.resource_version == first.metadata.resource_version


def test_watch_sends_every_change_in_order(core: Any, namespace: str) -> None:
    start = core.list_namespaced_config_map(namespace).metadata.resource_version
    core.create_namespaced_config_map(namespace, config_map("c"))
    core.patch_namespaced_config_map("c", namespace, {"data": {"a": "x"}})
    core.delete_namespaced_config_map("c", namespace)

    stream = watch.Watch().stream(
        core.list_namespaced_config_map, namespace, resource_version=start, timeout_seconds=1
    )
    events = [(event["type"], event["object"].data["a"]) for event in stream]

    assert events == [("ADDED", "b"), ("MODIFIED", "x"), ("DELETED", "x")]


def test_an_object_that_leaves_a_selector_is_deleted_for_its_watchers(
    core: Any, namespace: str
) -> None:
    start = core.list_namespaced_config_map(namespace).metadata.resource_version
    core.create_namespaced_config_map(namespace, config_map("c", color="red"))
    core.patch_namespaced_config_map("c", namespace, {"metadata": {"labels": {"color": "blue"}}})
    core.patch_namespaced_config_map("c", namespace, {"metadata": {"labels": {"color": "red"}}})

    stream = watch.Watch().stream(
        core.list_namespaced_config_map,
        namespace,
        resource_version=start,
        label_selector="color=red",
        timeout_seconds=1,
    )
    events = [event["type"] for event in stream]

    assert events == ["ADDED", "DELETED", "ADDED"]


def test_pods_are_bound_and_found_by_node(core: Any, namespace: str) -> None:
    container = client.V1Container(name="c", image="x")
    pod = client.V1Pod(
        metadata=client.V1ObjectMeta(generate_name="p-"),
        spec=client.V1PodSpec(containers=[container]),
    )
    name = core.create_namespaced_pod(namespace, pod).metadata.name
    target = client.V1ObjectReference(kind="Node", name="n1")
    binding = client.V1Binding(metadata=client.V1ObjectMeta(name=name), target=target)

    core.create_namespaced_pod_binding(name, namespace, binding, _preload_content=False)

    found = core.list_namespaced_pod(namespace, field_selector="spec.nodeName=n1")
    assert [p.metadata.name for p in found.items] == [name]
    assert found.items[0].spec.restart_policy == "Always"
    assert found.items[0].status.phase == "Pending"


def test_dependents_go_with_their_last_owner(
    core: Any, namespace: str, server: ServerProcess
) -> None:
    owner = core.create_namespaced_config_map(namespace, config_map("owner"))
    reference = client.V1OwnerReference(
        api_version="v1", kind="ConfigMap", name="owner", uid=owner.metadata.uid
    )
    owned = config_map("owned")
    owned.metadata.owner_references = [reference]
    core.create_namespaced_config_map(namespace, owned)
    start = core.list_namespaced_config_map(namespace).metadata.resource_version

    core.delete_namespaced_config_map("owner", namespace)

    stream = watch.Watch().stream(
        core.list_namespaced_config_map, namespace, resource_version=start, timeout_seconds=5
    )
    gone = [next(stream)["object"].metadata.name for _ in range(2)]
    assert gone == ["owner", "owned"]


def test_orphaned_dependents_stay(core: Any, namespace: str) -> None:
    owner = core.create_namespaced_config_map(namespace, config_map("owner"))
    owned = config_map("owned")
    owned.metadata.owner_references = [
        client.V1OwnerReference(
            api_version="v1", kind="ConfigMap", name="owner", uid=owner.metadata.uid
        )
    ]
    core.create_namespaced_config_map(namespace, owned)
    start = core.list_namespaced_config_map(namespace).metadata.resource_version

    core.delete_namespaced_config_map("owner", namespace, propagation_policy="Orphan")

    events = watch.Watch().stream(
        core.list_namespaced_config_map, namespace, resource_version=start, timeout_seconds=5
    )
    deleted = next(e for e in events if e["type"] == "DELETED")
    assert deleted["object"].metadata.name == "owner"
    assert core.read_namespaced_config_map("owned", namespace).metadata.owner_references is None


def test_a_foreground_deletion_waits_for_blocking_dependents(core: Any, namespace: str) -> None:
    owner = core.create_namespaced_config_map(namespace, config_map("owner"))
    owned = config_map("owned")
    owned.metadata.finalizers = ["example.org/hold"]
    owned.metadata.owner_references = [
        client.V1OwnerReference(
            api_version="v1",
            kind="ConfigMap",
            name="owner",
            uid=owner.metadata.uid,
            block_owner_deletion=True,
        )
    ]
    core.create_namespaced_config_map(namespace, owned)
    start = core.list_namespaced_config_map(namespace).metadata.resource_version

    core.delete_namespaced_config_map("owner", namespace, propagation_policy="Foreground")
    held = core.read_namespaced_config_map("owner", namespace)
    core.patch_namespaced_config_map("owned", namespace, {"metadata": {"finalizers": None}})

    events = watch.Watch().stream(
        core.list_namespaced_config_map, namespace, resource_version=start, timeout_seconds=5
    )
    deleted = (e["object"].metadata.name for e in events if e["type"] == "DELETED")
    assert held.metadata.finalizers == ["foregroundDeletion"]
    assert [next(deleted), next(deleted)] == ["owned", "owner"]


def test_leases_keep_microseconds(api: Any, namespace: str) -> None:
    leases = client.CoordinationV1Api(api)
    spec = client.V1LeaseSpec(holder_identity="me", lease_duration_seconds=15)
    lease = client.V1Lease(metadata=client.V1ObjectMeta(name="l"), spec=spec)
    made = leases.create_namespaced_lease(namespace, lease)
    made.spec.lease_duration_seconds = 0

    with pytest.raises(ApiException) as refused:
        leases.replace_namespaced_lease("l", namespace, made)

    assert refused.value.status == 422
    assert "must be greater than 0" in refused.value.body
