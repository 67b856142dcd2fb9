"""`ciliate ipam check` where other plugins give the addresses: nothing of theirs is a finding."""

from collections.abc import Callable

from tests.lab.cluster import ciliate
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab, pod_ip
from tests.lab.other_plugins import a_list, host_local, needs_plugins, reconfigure

pytestmark = needs_plugins("host-local", "ptp")

SUBNETS = {"k8s-ctr": "10.60.0.0/24", "k8s-w1": "10.60.1.0/24"}


def delegated(node: FaultyNode) -> str:
    return a_list({"type": "ciliate-cni", "ipam": host_local(SUBNETS[node.name])})


def chained(node: FaultyNode) -> str:
    routes = [{"dst": "0.0.0.0/0"}]
    ptp = {"type": "ptp", "ipam": host_local(SUBNETS[node.name], routes=routes)}
    return a_list(ptp, {"type": "ciliate-cni", "chaining-mode": "generic-veth"})


def assert_clean_with(theme: str, conf: Callable[[FaultyNode], str], *settings: str) -> None:
    with fault_lab(theme) as lab:
        reconfigure(lab, conf, "cni.customConf=true", *settings)
        for name, node in (("near", "k8s-ctr"), ("far", "k8s-w1")):
            apply_pod(lab, name, node)
            assert pod_ip(lab, name).startswith("10.60.")

        kubeconfig = str(lab.folder / "kubeconfig")
        done = ciliate("ipam", "check", "--kubeconfig", kubeconfig, check=False)

        assert done.returncode == 0, done.stdout + done.stderr
        assert "2 endpoints on 2 of 2 nodes" in done.stdout


def test_delegated_addresses_are_no_findings() -> None:
    settings = ("ipam.mode=delegated-plugin", "local-router-ipv4=169.254.23.1")
    assert_clean_with("check-delegated", delegated, *settings)


def test_chained_pods_are_no_findings() -> None:
    assert_clean_with("check-chained", chained, "cni.chainingMode=generic-veth")
