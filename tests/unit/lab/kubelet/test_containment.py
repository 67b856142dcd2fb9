"""What a pod's fields say about its containers' privileges and surroundings."""

from pathlib import Path
from typing import Any

import pytest

from ciliate.lab.container.spec import (
    CAPABILITIES,
    DEFAULT_NAMES,
    Missing,
    ProcessNumbers,
    Propagation,
)
from ciliate.lab.kubelet.containment import container_spec, own_namespaces, privileges_of
from ciliate.lab.kubelet.errors import ContainerConfigError
from ciliate.lab.kubelet.pod_files import volume_mounts
from ciliate.lab.kubelet.sandbox import SandboxPaths
from ciliate.lab.objects import Container, Mount, Pod, PodMeta, PodSpec

PATHS = SandboxPaths(
    node_pins=Path("/node/ns"), directory=Path("/node/pods/d_web"), netns_name="cni-1"
)


def pod_of(**spec: Any) -> Pod:
    return Pod(PodMeta(name="web", namespace="d", uid="1"), PodSpec(**spec))


def container_of(**context: Any) -> Container:
    return Container("c", security_context=context)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, DEFAULT_NAMES),
        ({"add": ["NET_ADMIN"]}, DEFAULT_NAMES | {"NET_ADMIN"}),
        ({"add": ["CAP_sys_time"]}, DEFAULT_NAMES | {"SYS_TIME"}),
        ({"drop": ["ALL"]}, set()),
        ({"drop": ["ALL"], "add": ["NET_RAW"]}, {"NET_RAW"}),
        ({"drop": ["CHOWN"], "add": ["ALL"]}, set(CAPABILITIES) - {"CHOWN"}),
        ({"drop": ["MKNOD"]}, DEFAULT_NAMES - {"MKNOD"}),
    ],
)
def test_capabilities_are_added_to_and_dropped_from_the_default(
    said: dict[str, list[str]], expected: set[str]
) -> None:
    assert set(privileges_of(pod_of(), container_of(capabilities=said)).capabilities) == expected


def test_privileged_container_has_them_all_whatever_it_drops() -> None:
    found = privileges_of(pod_of(), container_of(privileged=True, capabilities={"drop": ["ALL"]}))

    assert found.privileged
    assert set(found.capabilities) == set(CAPABILITIES)


def test_containers_word_counts_before_its_pods() -> None:
    pod = pod_of(
        security_context={"runAsUser": 1, "runAsGroup": 2, "fsGroup": 7, "supplementalGroups": [9]}
    )

    found = privileges_of(pod, container_of(runAsUser=3, allowPrivilegeEscalation=False))

    assert (found.uid, found.gid, found.groups) == (3, 2, (7, 9))
    assert found.no_new_privileges


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"runAsNonRoot": True}, "container has runAsNonRoot and image will run as root"),
        ({"runAsNonRoot": True, "runAsUser": 0}, "runAsNonRoot"),
        (
            {"capabilities": {"drop": ["NET_ADMINS"]}},
            "securityContext.capabilities.drop: 'NET_ADMINS'",
        ),
    ],
)
def test_what_cannot_be_had_is_refused_by_its_field(context: dict[str, Any], message: str) -> None:
    with pytest.raises(ContainerConfigError, match=message.replace(".", r"\.")):
        privileges_of(pod_of(), container_of(**context))


def spec_of(pod: Pod, container: Container) -> Any:
    return container_spec(
        pod,
        container,
        paths=PATHS,
        volumes=volume_mounts(pod, container, {}),
        image=Path("/lab/image"),
        stage=Path("/lab/stage"),
    )


def test_pod_shares_with_its_containers_what_it_does_not_share_with_its_node() -> None:
    own = spec_of(pod_of(), container_of())
    shared = spec_of(pod_of(share_process_namespace=True), container_of())
    node = spec_of(pod_of(host_network=True, host_pid=True, host_ipc=True), container_of())

    pins = {kind: f"/node/pods/d_web/ns/{kind}" for kind in ("net", "uts", "ipc", "pid")}
    assert own.namespaces == {kind: pins[kind] for kind in ("net", "uts", "ipc")}
    assert own.processes is ProcessNumbers.OWN
    assert (shared.namespaces, shared.processes) == (pins, ProcessNumbers.POD)
    assert node.namespaces == {"net": "/node/ns/net", "uts": "/node/ns/uts"}
    assert node.processes is ProcessNumbers.MACHINE
    hosts = {mount.target: mount for mount in node.mounts}["/etc/hosts"]
    assert (hosts.source, hosts.in_node) == ("/etc/hosts", True)
    resolver = {mount.target: mount for mount in node.mounts}["/etc/resolv.conf"]
    assert not resolver.in_node, "dnsPolicy is ClusterFirstWithHostNet, perhaps"
    assert not own_namespaces(pod_of(host_network=True)).network


def test_mounts_come_outer_first_and_a_volume_in_place_of_a_file_of_ours() -> None:
    container = Container(
        "c",
        volume_mounts=(
            Mount("data", "/data/deep/er", sub_path="x"),
            Mount("node", "/data", mount_propagation="HostToContainer"),
            Mount("data", "/etc/hosts", sub_path="hosts", read_only=True),
        ),
    )
    pod = pod_of(
        volumes=(
            {"name": "data", "emptyDir": {}},
            {"name": "node", "hostPath": {"path": "/srv", "type": "Directory"}},
        )
    )

    mounts = {mount.target: mount for mount in spec_of(pod, container).mounts}

    assert next(iter(mounts)) == "/data"
    assert list(mounts)[-1] == "/data/deep/er"
    assert mounts["/data"].in_node
    assert mounts["/data"].propagation is Propagation.HOST_TO_CONTAINER
    assert mounts["/data"].missing is Missing.REFUSED
    assert mounts["/data/deep/er"].source == "/node/pods/d_web/volumes/data"
    assert (mounts["/etc/hosts"].beneath, mounts["/etc/hosts"].read_only) == ("hosts", True)
