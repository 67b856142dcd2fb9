"""lightkube, a client with a decoder and a watch of its own: what it does most, once each."""

import pytest
from lightkube import ApiError, Client, KubeConfig
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.apps_v1 import DeploymentSpec
from lightkube.models.autoscaling_v1 import ScaleSpec
from lightkube.models.core_v1 import Container, PodSpec, PodTemplateSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap
from lightkube.types import PatchType

from .conftest import ServerProcess

MANAGER = "lightkube-test"


@pytest.fixture
def client(server: ServerProcess, namespace: str) -> Client:
    config = KubeConfig.from_file(server.kubeconfig)
    return Client(config=config, namespace=namespace, field_manager=MANAGER)


def config_map(name: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, labels={"app": "a"}), data=data)


def test_objects_are_made_listed_watched_changed_and_deleted(client: Client) -> None:
    made = client.create(config_map("one", a="1"))
    client.create(config_map("two", a="1"))

    listed = [item.metadata.name for item in client.list(ConfigMap, labels={"app": "a"})]  # type: ignore[union-attr]
    assert made.metadata is not None
    events = client.watch(ConfigMap, resource_version=made.metadata.resourceVersion)
    assert next(events)[0] == "ADDED"
    merged = client.patch(ConfigMap, "one", {"data": {"b": "2"}}, patch_type=PatchType.MERGE)
    operation = [{"op": "replace", "path": "/data/a", "value": "3"}]
    client.patch(ConfigMap, "one", operation, patch_type=PatchType.JSON)
    replaced = client.replace(config_map("two", a="2"))
    client.delete(ConfigMap, "two")

    assert listed == ["one", "two"]
    assert (merged.data, replaced.data) == ({"a": "1", "b": "2"}, {"a": "2"})
    assert [next(events)[0] for _ in range(4)] == ["MODIFIED", "MODIFIED", "MODIFIED", "DELETED"]
    with pytest.raises(ApiError) as refused:
        client.get(ConfigMap, "two")
    assert (refused.value.status.code, refused.value.status.reason) == (404, "NotFound")


def test_deployments_are_applied_and_patched_by_their_containers_names(client: Client) -> None:
    deployment = Deployment(
        metadata=ObjectMeta(name="d"),
        spec=DeploymentSpec(
            replicas=0,
            selector=LabelSelector(matchLabels={"app": "d"}),
            template=PodTemplateSpec(
                metadata=ObjectMeta(labels={"app": "d"}),
                spec=PodSpec(containers=[Container(name="c", image="x:1")]),
            ),
        ),
    )
    containers = {"containers": [{"name": "c", "env": [{"name": "A", "value": "1"}]}]}

    client.apply(deployment)
    patched = client.patch(Deployment, "d", {"spec": {"template": {"spec": containers}}})
    scale = Deployment.Scale(
        metadata=ObjectMeta(name="d", namespace=client.namespace), spec=ScaleSpec(replicas=2)
    )
    scaled = client.replace(scale, "d")

    assert patched.spec is not None
    assert patched.spec.template.spec is not None
    (container,) = patched.spec.template.spec.containers
    assert (container.image, [e.name for e in container.env or ()]) == ("x:1", ["A"])
    assert scaled.spec is not None
    assert scaled.spec.replicas == 2


def test_custom_resources_are_used_once_their_definition_is_there(
    client: Client, server: ServerProcess
) -> None:
    group = "lightkube.example.org"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    spec = {
        "group": group,
        "scope": "Namespaced",
        "names": {"plural": "lamps", "kind": "Lamp"},
        "versions": [version],
    }
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    server.request("POST", definitions, {"metadata": {"name": f"lamps.{group}"}, "spec": spec})
    lamp = create_namespaced_resource(group, "v1", "Lamp", "lamps")

    client.create(lamp(metadata=ObjectMeta(name="l"), spec={"on": True}))

    assert client.get(lamp, "l")["spec"] == {"on": True}
