"""A second interface in a running pod: the pod, its CiliumEndpoint and other nodes do not notice."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab, pod_ip
from tests.lab.plugin_calls import Called, call_plugin

UNKNOWN_CONTAINER = 3


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab("second", "--dual-stack") as started:
        apply_pod(started, "web", "k8s-w1")
        apply_pod(started, "far", "k8s-ctr")
        yield started


@dataclass(frozen=True, slots=True)
class Pod:
    """The pod `web`, as its runtime knows it."""

    lab: Cluster
    node: FaultyNode
    container_id: str
    netns: str
    number: int

    def call(self, command: str, ifname: str = "net1") -> Called:
        """Call the plugin for one of its interfaces."""
        arguments = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web"
        environment = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": self.container_id,
            "CNI_NETNS": self.netns,
            "CNI_IFNAME": ifname,
            "CNI_PATH": "/opt/cni/bin",
            "CNI_ARGS": arguments,
        }
        config = {"cniVersion": "1.0.0", "name": "cilium", "type": "ciliate-cni"}
        return call_plugin(self.node, environment, json.dumps(config).encode())

    def routes(self) -> tuple[Any, ...]:
        """Its routes of both families, but for the kernel's link-local ones."""
        found = []
        for family in ("-4", "-6"):
            text = self.lab.exec("web", "ip", "-j", family, "route")
            found += [each for each in json.loads(text) if not each["dst"].startswith("fe80")]
        return tuple(found)

    def published(self) -> Any:
        """Its CiliumEndpoint's status."""
        return self.lab.object("ciliumendpoint", "web")["status"]

    def reaches_the_other_node(self) -> bool:
        """Whether it talks to the pod on the other node, in both families."""
        there = self.lab.object("pod", "far")["status"]["podIPs"]
        return all(
            "1 received" in self.lab.exec("web", "ping", "-c1", "-W2", each["ip"], check=False)
            for each in there
        )

    def interfaces(self) -> set[str]:
        """The interfaces of its that the agent lists."""
        return {
            each["status"]["networking"]["container-interface-name"]
            for each in self.node.asked("endpoint")
            if each["status"].get("external-identifiers", {}).get("k8s-pod-name") == "web"
        }


@pytest.fixture
def pod(lab: Cluster) -> Pod:
    node = FaultyNode(lab, "k8s-w1")
    eventually(lambda: lab.object("ciliumendpoint", "web"), what="the pod is published")
    published = lab.object("ciliumendpoint", "web")["status"]
    folder = "/var/run/cilium/state/endpoints"
    kept = json.loads(node.read(f"{folder}/{published['id']}.json"))
    return Pod(lab, node, kept["container-id"], kept["netns"], published["id"])


def test_pod_does_not_notice_a_second_interface_that_comes_and_goes(pod: Pod) -> None:
    routes, published, address = pod.routes(), pod.published(), pod_ip(pod.lab, "web")
    assert pod.reaches_the_other_node()

    added = pod.call("ADD")

    assert added.ok, added
    assert added.address != address
    assert pod.interfaces() == {"eth0", "net1"}
    assert [each for each in pod.routes() if each["dev"] == "eth0"] == list(routes)
    assert pod.reaches_the_other_node()
    assert pod.call("CHECK").ok
    assert pod.call("CHECK", "eth0").ok
    assert pod.published() == published

    assert pod.call("DEL").ok

    eventually(lambda: pod.interfaces() == {"eth0"}, what="the second endpoint is gone")
    eventually(lambda: added.address not in pod.node.allocations(), what="its address is free")
    assert pod.routes() == routes
    assert pod.reaches_the_other_node()
    assert pod.call("CHECK", "eth0").ok
    assert pod.call("CHECK").answer["code"] == UNKNOWN_CONTAINER
    assert pod.published() == published
    assert pod.call("DEL").ok, "DEL may be repeated"


def test_agent_that_is_killed_meanwhile_knows_both_interfaces(pod: Pod) -> None:
    routes, published = pod.routes(), pod.published()
    added = pod.call("ADD")
    assert added.ok, added

    killed = pod.node.kill_agent()
    assert pod.reaches_the_other_node()
    pod.node.wait_agent(other_than=killed)

    assert pod.interfaces() == {"eth0", "net1"}
    assert pod.call("CHECK").ok
    assert pod.call("CHECK", "eth0").ok
    assert pod.published()["networking"] == published["networking"]
    assert pod.published()["id"] == pod.number

    killed = pod.node.kill_agent()
    assert pod.call("DEL").ok, "queued while the agent is away"
    pod.node.wait_agent(other_than=killed)
    eventually(lambda: pod.interfaces() == {"eth0"}, what="the second endpoint is gone")
    assert pod.routes() == routes
    assert pod.published()["id"] == pod.number
    assert pod.reaches_the_other_node()
