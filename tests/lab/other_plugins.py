"""Labs whose pods get address or interface from the reference plugins of Debian."""

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, pod_ip

PLUGINS: Final = Path("/usr/lib/cni")
CONFLIST: Final = "/etc/cni/net.d/05-cilium.conflist"
#: Where host-local records addresses in these tests: a node's own folder, gone with the lab.
HOST_LOCAL_FOLDER: Final = "/run/host-local"

#: The newest version that Debian's plugins speak.
VERSION: Final = "1.0.0"

#: Versions whose results have other shapes than today's, or none at all, by a pod's name.
OLD_VERSIONS: Final = {
    "version-0-1-0": "0.1.0",
    "version-0-2-0": "0.2.0",
    "version-0-3-0": "0.3.0",
    "version-absent": None,
}

NODES: Final = ("k8s-ctr", "k8s-w1")


def needs_plugins(*names: str) -> pytest.MarkDecorator:
    """Skip where the reference plugins are not installed."""
    missing = [name for name in names if not (PLUGINS / name).exists()]
    return pytest.mark.skipif(bool(missing), reason=f"no CNI plugins {missing} in {PLUGINS}")


def write_file(node: FaultyNode, path: str, text: str, *, mode: int = 0o644) -> None:
    """Put a file into the machine, whole or not at all."""

    def write() -> None:
        draft = Path(f"{path}.draft")
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text)
        draft.chmod(mode)
        draft.rename(path)

    node.inside(write)


def a_list(*plugins: Mapping[str, Any], name: str = "test", version: str | None = VERSION) -> str:
    """A configuration list; `version` None: it names none."""
    named = {"cniVersion": version} if version is not None else {}
    return json.dumps({**named, "name": name, "plugins": list(plugins)})


def host_local(*subnets: str, **more: Any) -> dict[str, Any]:
    """The IPAM section of host-local."""
    ranges = [[{"subnet": subnet}] for subnet in subnets]
    return {"type": "host-local", "dataDir": HOST_LOCAL_FOLDER, "ranges": ranges, **more}


def reconfigure(
    lab: Cluster, lists: Callable[[FaultyNode], str] | None, *settings: str
) -> list[FaultyNode]:
    """Give the cluster other settings, every node its own list, and restart the agents.

    Without `lists` the agents write the file.
    """
    words = [word for setting in settings for word in ("--set", setting)]
    lab.lab("upgrade", *words)
    nodes = [FaultyNode(lab, name) for name in NODES]
    for node in nodes:
        node.replace_agent()
    for node in nodes:
        node.wait_agent()
        if lists is not None:  # The agent before would have written its own again.
            write_file(node, CONFLIST, lists(node))
    return nodes


def booked(node: FaultyNode, network: str = "test") -> dict[str, str]:
    """What host-local has given on the node: address -> container id."""

    def read() -> dict[str, str]:
        folder = Path(HOST_LOCAL_FOLDER) / network
        found = {}
        for name in os.listdir(folder) if folder.is_dir() else ():
            if name[0].isdigit():
                with contextlib.suppress(FileNotFoundError):  # Freed since the folder was read.
                    found[name.replace("_", ":")] = (folder / name).read_text().split()[0]
        return found

    return node.inside(read)


def pings(lab: Cluster, pod: str, address: str) -> bool:
    """Whether the pod is answered within a few tries."""
    done = lab.lab("exec", pod, "--", "ping", "-c", "1", "-W", "1", address, check=False)
    return "1 received" in done.stdout


def internet_of(address: str) -> str:
    """The web server's address of the family of `address`."""
    return "2001:db8:113::10" if ":" in address else "203.0.113.10"


def pod_ips(lab: Cluster, name: str) -> list[str]:
    """A pod's addresses, one of each family."""
    return [each["ip"] for each in lab.object("pod", name)["status"]["podIPs"]]


def await_ping(lab: Cluster, pod: str, address: str) -> None:
    """Wait until the pod is answered: routes follow a pod's CiliumEndpoint."""
    eventually(lambda: pings(lab, pod, address), what=f"answer of {address} to {pod}")


def seen_by_internet(lab: Cluster, pod: str) -> str:
    """The client address that the web server behind every eth0 saw."""
    text = lab.exec(pod, "curl", "-s", "-m", "20", "http://203.0.113.10/")
    return text.partition("client=")[2].split(":")[0]


def assert_pods_of_old_versions_live_and_go(
    lab: Cluster, node: FaultyNode, render: Callable[[str | None], str], peer: str
) -> None:
    """Pods of lists of each old version, which `render` gives, reach pod `peer` and leave nothing."""
    before, standing = node.read(CONFLIST), set(node.endpoint_addresses().values())
    try:
        for name, version in OLD_VERSIONS.items():
            write_file(node, CONFLIST, render(version))
            apply_pod(lab, name, node.name)
    finally:
        write_file(node, CONFLIST, before)
    given = {name: pod_ip(lab, name) for name in OLD_VERSIONS}
    assert set(given.values()) <= booked(node).keys()
    for name, address in given.items():
        await_ping(lab, name, pod_ip(lab, peer))
        assert lab.object("ciliumendpoint", name)["status"]["identity"]["id"] > 255, address

    delete_pods(lab, *OLD_VERSIONS)

    eventually(lambda: not booked(node).keys() & set(given.values()), what="freed addresses")
    eventually(
        lambda: set(node.endpoint_addresses().values()) == standing, what="no endpoint left"
    )


def delete_pods(lab: Cluster, *names: str) -> None:
    """Delete pods and wait until they are gone."""
    lab.kubectl("delete", "pod", *names, "--wait=true", "--timeout=30s")
