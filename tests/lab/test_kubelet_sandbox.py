"""Sandboxes and the CNI chain in a node made by hand, with the reference plugins `ptp`, `host-local`.

No API server and no lab: what is shown here holds for any plugin.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ciliate.lab.kubelet import cni, sandbox
from ciliate.lab.kubelet.errors import NetworkNotReadyError, PluginFailedError
from ciliate.lab.kubelet.volumes import VolumeFile
from ciliate.lab.mounts import MountFlag, mount
from ciliate.lab.namespaces import in_namespaces, make_namespaces, set_hostname
from ciliate.lab.tear_down import remove_folder

PTP = {
    "cniVersion": "1.0.0",
    "name": "test",
    "plugins": [
        {
            "type": "ptp",
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "10.99.0.0/24"}], [{"subnet": "fd00:99::/112"}]],
                "dataDir": "/run/host-local",
            },
        }
    ],
}

#: A plugin that writes down how it was called, and fails when a file says so.
RECORDER = """#!/bin/sh
cat > /run/recorder/$CNI_COMMAND-$(ls /run/recorder | wc -l)-{name}
test -e /run/fail-{name} && echo '{{"code": 7, "msg": "told to fail"}}' && exit 1
echo '{{"cniVersion": "1.0.0", "ips": [{{"address": "10.9.9.9/32"}}], "dns": {{"domain": "{name}"}}}}'
"""

pytestmark = pytest.mark.skipif(
    not Path("/usr/lib/cni/ptp").exists(), reason="needs Debian's containernetworking-plugins"
)


class Node:
    """A node of namespaces: its own /run and /etc/cni, nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pins = folder / "ns"
        make_namespaces(self.pins, inside=_node_files)

    def run(self, script: str, place: Path | None = None) -> str:
        """What a shell script prints in the node, or in a pod."""
        done = in_namespaces(
            place or self.pins,
            lambda: subprocess.run(
                ["sh", "-c", script], capture_output=True, text=True, check=True
            ),
        )
        return done.stdout

    def configure(self, document: dict[str, Any], name: str = "10-test.conflist") -> None:
        text = json.dumps(document)
        in_namespaces(self.pins, lambda: (cni.CONF_DIRECTORY / name).write_text(text), ["mnt"])

    def paths(self, pod: str) -> sandbox.SandboxPaths:
        return sandbox.SandboxPaths(
            node_pins=self.pins,
            directory=self.folder / "pods" / f"default_{pod}",
            netns_name=f"cni-{pod}",
        )

    def attachment(self, pod: str) -> cni.SandboxAttachment:
        return cni.SandboxAttachment(
            container_id=f"id-{pod}",
            netns=self.paths(pod).netns_in_node,
            namespace="default",
            pod=pod,
            uid=f"uid-{pod}",
        )


def _node_files() -> None:
    set_hostname("node")
    mount("none", "/", flags=MountFlag.RECURSIVE | MountFlag.PRIVATE)
    mount("tmpfs", "/run", "tmpfs")
    Path("/run/recorder").mkdir()
    # A tmpfs over /etc's parts that the tests write: the machine's own stays as it is.
    mount("tmpfs", "/mnt", "tmpfs")
    Path("/mnt/upper").mkdir()
    Path("/mnt/work").mkdir()
    layers = "lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work"
    mount("overlay", "/etc", "overlay", options=layers)
    cni.CONF_DIRECTORY.mkdir(parents=True, exist_ok=True)


@pytest.fixture
def node() -> Iterator[Node]:
    folder = Path(f"/run/test-kubelet-{os.getpid()}")
    folder.mkdir()
    mount("tmpfs", folder, "tmpfs", options="mode=700")
    mount("none", folder, flags=MountFlag.PRIVATE)
    yield Node(folder)
    remove_folder(folder)


def test_pod_has_its_own_name_devices_and_files(node: Node) -> None:
    paths = node.paths("web")
    files = sandbox.PodFiles(
        hosts="10.9.9.9\tweb\n", resolv_conf="options ndots:5\n", hostname="web"
    )

    sandbox.make_sandbox(paths, hostname="web")
    sandbox.write_files(paths, files)

    assert node.run("hostname", paths.pins) == "web\n"
    assert "UP" in node.run("ip link show lo", paths.pins)
    assert node.run("ip -br link | wc -l", paths.pins) == "1\n"
    assert node.run("hostname") == "node\n"
    assert {pin.name for pin in paths.pins.iterdir()} == {"net", "uts", "ipc"}
    assert (paths.etc / "hosts").read_text() == "10.9.9.9\tweb\n"
    assert (paths.etc / "resolv.conf").read_text() == "options ndots:5\n"
    assert (paths.etc / "hostname").read_text() == "web\n"


def test_pod_on_its_nodes_network_has_but_an_ipc_namespace_of_its_own(node: Node) -> None:
    paths = node.paths("web")

    sandbox.make_sandbox(paths, hostname="web", own=sandbox.OwnNamespaces(network=False))

    assert {pin.name for pin in paths.pins.iterdir()} == {"ipc"}
    assert sandbox.netns_names(node.pins) == set()


def test_volumes_hold_what_they_begin_with_and_are_the_groups(node: Node) -> None:
    paths = node.paths("web")
    volumes = {"a": {"x": VolumeFile(b"1", 0o600)}, "b": None}

    sandbox.make_sandbox(paths, hostname="web", volumes=volumes, fs_group=4711)

    assert {path.name for path in paths.volumes.iterdir()} == {"a", "b"}
    found = (paths.volumes / "a/x").stat()
    assert (paths.volumes / "a/x").read_text() == "1"
    assert (found.st_gid, found.st_mode & 0o777) == (4711, 0o640)
    assert (paths.volumes / "b").stat().st_mode & 0o7777 == 0o2777


def test_removed_sandbox_leaves_nothing(node: Node) -> None:
    paths = node.paths("web")
    sandbox.make_sandbox(paths, hostname="web")
    assert sandbox.netns_names(node.pins) == {"cni-web"}

    sandbox.remove_sandbox(paths)
    sandbox.remove_sandbox(paths)

    assert sandbox.netns_names(node.pins) == set()
    assert not paths.directory.exists()


def test_sandbox_of_a_killed_kubelet_is_made_anew(node: Node) -> None:
    paths = node.paths("web")
    sandbox.make_sandbox(paths, hostname="first")
    sandbox.hide_netns(node.pins, {"cni-web"})

    sandbox.make_sandbox(paths, hostname="second")

    assert node.run("hostname", paths.pins) == "second\n"


def test_reference_plugin_connects_fifty_pods_at_once(node: Node) -> None:
    node.configure(PTP)
    network = cni.load_network_list(node.pins)
    plugins = cni.Plugins(node.pins)
    names = [f"p{number}" for number in range(50)]

    def add(name: str) -> dict[str, Any]:
        sandbox.make_sandbox(node.paths(name), hostname=name)
        return plugins.add(network, node.attachment(name))

    with ThreadPoolExecutor(50) as threads:
        results = dict(zip(names, threads.map(add, names), strict=True))
        addresses = [cni.addresses(result) for result in results.values()]
        assert len({ip for ips in addresses for ip in ips}) == 100
        v4 = cni.addresses(results["p7"])[0]
        node.run(f"ping -c1 -W2 {v4}")

        def delete(name: str) -> None:
            plugins.delete(network, node.attachment(name), results[name])
            sandbox.remove_sandbox(node.paths(name))

        list(threads.map(delete, names))

    assert "veth" not in node.run("ip -br link")
    assert "10.99.0." not in node.run("ls /run/host-local/test")


def recorders(node: Node) -> cni.NetworkList:
    """Configure two plugins in a row that record; return the list."""
    scripts = {name: RECORDER.format(name=name) for name in ("one", "two")}

    def inside() -> None:
        mount("tmpfs", "/opt", "tmpfs")
        folder = Path(cni.PLUGIN_DIRECTORIES[0])
        folder.mkdir(parents=True)
        for name, text in scripts.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)

    in_namespaces(node.pins, inside, ["mnt"])
    document = {
        "cniVersion": "1.0.0",
        "name": "chain",
        "plugins": [{"type": "one", "key": "value"}, {"type": "two"}],
    }
    node.configure(document)
    return cni.load_network_list(node.pins)


def recorded(node: Node) -> list[tuple[str, dict[str, Any]]]:
    """What plugins were called with, in order: command and plugin, configuration."""
    names = node.run("ls -rt --time=birth /run/recorder | cat").split()
    ordered = sorted(names, key=lambda name: int(name.split("-")[1]))
    return [
        (
            f"{name.split('-')[0]} {name.split('-')[2]}",
            json.loads(node.run(f"cat /run/recorder/{name}")),
        )
        for name in ordered
    ]


def test_chain_runs_forth_with_results_and_back_with_the_last(node: Node) -> None:
    network = recorders(node)
    plugins = cni.Plugins(node.pins)

    result = plugins.add(network, node.attachment("web"))
    plugins.delete(network, node.attachment("web"), result)

    calls = recorded(node)
    assert [call for call, _ in calls] == ["ADD one", "ADD two", "DEL two", "DEL one"]
    first, second, last, _ = (conf for _, conf in calls)
    assert first == {"type": "one", "key": "value", "name": "chain", "cniVersion": "1.0.0"}
    assert second["prevResult"]["dns"] == {"domain": "one"}
    assert last["prevResult"] == result


def test_failing_plugin_ends_the_chain_with_its_own_words(node: Node) -> None:
    network = recorders(node)
    node.run("touch /run/fail-one")

    with pytest.raises(PluginFailedError, match="told to fail") as caught:
        cni.Plugins(node.pins).add(network, node.attachment("web"))

    assert (caught.value.code, caught.value.plugin) == (7, "one")
    assert [call for call, _ in recorded(node)] == ["ADD one"]


def test_missing_plugin_is_named_with_where_it_was_looked_for(node: Node) -> None:
    node.configure({"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "no-such-plugin"}]})
    network = cni.load_network_list(node.pins)

    with pytest.raises(
        PluginFailedError, match=r'find plugin "no-such-plugin" in path \[/opt/cni/bin'
    ):
        cni.Plugins(node.pins).add(network, node.attachment("web"))


def test_first_configuration_by_name_wins_and_none_is_not_ready(node: Node) -> None:
    with pytest.raises(NetworkNotReadyError, match="cni plugin not initialized"):
        cni.load_network_list(node.pins)

    node.configure(PTP)
    node.configure({**PTP, "name": "earlier"}, name="05-x.conflist")

    assert cni.load_network_list(node.pins).name == "earlier"
