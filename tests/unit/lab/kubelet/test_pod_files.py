from ciliate.lab.kubelet.pod_files import (
    ClusterNames,
    config_names,
    etc_files,
    hostname_of,
    volume_mounts,
)
from ciliate.lab.objects import Container, Mount, Pod, PodMeta, PodSpec


def pod_of(**spec: object) -> Pod:
    meta = PodMeta(name="web-1", namespace="shop", uid="u1", labels={"app": "web"})
    return Pod(metadata=meta, spec=PodSpec(node_name="n1", **spec))  # type: ignore[arg-type]


def test_hosts_file_ends_with_the_pods_own_addresses() -> None:
    files = etc_files(pod_of(), ("10.0.0.2", "fd00::2"), ClusterNames())

    assert files.hosts.endswith("10.0.0.2\tweb-1\nfd00::2\tweb-1\n")


def test_resolver_searches_the_pods_namespace_first() -> None:
    files = etc_files(pod_of(), (), ClusterNames(dns_servers=("10.96.0.10",)))

    assert files.resolv_conf == (
        "search shop.svc.cluster.local svc.cluster.local cluster.local\n"
        "nameserver 10.96.0.10\n"
        "options ndots:5\n"
    )


def test_hostname_is_cut_to_what_the_kernel_takes() -> None:
    pod = Pod(metadata=PodMeta(name="a" * 62 + "-b"))

    assert hostname_of(pod, "n1") == "a" * 62


def test_pod_on_the_hosts_network_has_the_nodes_hostname() -> None:
    assert hostname_of(pod_of(host_network=True), "n1") == "n1"


def test_volumes_become_mounts_of_each_container_once_per_path() -> None:
    container = Container(
        "c",
        volume_mounts=(Mount("cfg", "/etc/app", read_only=True), Mount("tmp", "/tmp/x")),
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

    mounts = volume_mounts(pod, container, {"cm": {"a.conf": "1"}})

    assert config_names(pod) == {"cm"}
    assert [(m.mount_path, dict(m.files), m.read_only) for m in mounts] == [
        ("/etc/app", {"a.conf": "1"}, True),
        ("/tmp/x", {}, False),
    ]
    assert [m.mount_path for m in volume_mounts(pod, other, {})] == ["/tmp/y"]
