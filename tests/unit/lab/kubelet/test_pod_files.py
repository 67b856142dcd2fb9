import pytest

from ciliate.lab.kubelet.errors import ContainerConfigError
from ciliate.lab.kubelet.pod_files import (
    ClusterNames,
    etc_files,
    hostname_of,
    volume_mounts,
)
from ciliate.lab.kubelet.resolver import ResolverSettings
from ciliate.lab.objects import Container, Mount, Pod, PodMeta, PodSpec


def pod_of(**spec: object) -> Pod:
    meta = PodMeta(name="web-1", namespace="shop", uid="u1", labels={"app": "web"})
    return Pod(metadata=meta, spec=PodSpec(node_name="n1", **spec))  # type: ignore[arg-type]


def test_hosts_file_ends_with_the_pods_own_addresses() -> None:
    files = etc_files(pod_of(), ("10.0.0.2", "fd00::2"), ClusterNames(), ResolverSettings())

    assert files.hosts.endswith("10.0.0.2\tweb-1\nfd00::2\tweb-1\n")


def test_hostname_is_cut_to_what_the_kernel_takes() -> None:
    pod = Pod(metadata=PodMeta(name="a" * 62 + "-b"))

    assert hostname_of(pod, "n1") == "a" * 62


def test_pod_on_the_hosts_network_has_the_nodes_hostname() -> None:
    assert hostname_of(pod_of(host_network=True), "n1") == "n1"


def test_volumes_become_mounts_of_each_container_once_per_path() -> None:
    container = Container(
        "c",
        volume_mounts=(Mount("cfg", "/etc/app"), Mount("tmp", "/tmp/x")),
    )
    other = Container("d", volume_mounts=(Mount("tmp", "/tmp/y"), Mount("unknown", "/y")))
    pod = pod_of(
        containers=(container, other),
        volumes=(
            {"name": "cfg", "configMap": {"name": "cm"}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "secret", "secret": {"secretName": "s"}},
        ),
    )

    mounts = volume_mounts(pod, container, {})

    assert [(m.volume, m.mount_path, m.read_only) for m in mounts] == [
        ("cfg", "/etc/app", True),
        ("tmp", "/tmp/x", False),
    ]
    assert [m.mount_path for m in volume_mounts(pod, other, {})] == ["/tmp/y"]


def test_part_of_a_volume_is_named_by_variables() -> None:
    mount = Mount("tmp", "/x", sub_path_expr="$(POD)/logs")
    container = Container("c", volume_mounts=(mount,))
    pod = pod_of(containers=(container,), volumes=({"name": "tmp", "emptyDir": {}},))

    assert volume_mounts(pod, container, {"POD": "web-1"})[0].sub_path == "web-1/logs"
    with pytest.raises(ContainerConfigError, match='missing value for "POD"'):
        volume_mounts(pod, container, {})
