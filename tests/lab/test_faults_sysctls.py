"""Another tool sets what pods' packets need: it is set back, and said."""

from collections.abc import Iterator

import pytest
from tests.lab.cluster import Cluster, eventually
from tests.lab.faulty_node import FaultyNode, apply_pod, fault_lab, pod_ip


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab("sysctls") as started:
        apply_pod(started, "left", "k8s-ctr")
        apply_pod(started, "right", "k8s-w1")
        yield started


@pytest.fixture
def control(lab: Cluster) -> FaultyNode:
    return FaultyNode(lab, "k8s-ctr")


@pytest.mark.parametrize(
    ("setting", "wrong", "right"),
    [
        ("net.ipv4.ip_forward", "0", "1"),
        ("net.ipv4.conf.all.rp_filter", "1", "0"),
        ("net.ipv4.conf.{pod}.forwarding", "0", "1"),
        ("net.ipv4.conf.{pod}.rp_filter", "1", "0"),
        ("net.ipv4.conf.eth1.forwarding", "0", "1"),
        ("net.ipv4.conf.cilium_host.forwarding", "0", "1"),
    ],
)
def test_setting_that_somebody_changes_is_set_back_at_once(
    lab: Cluster, control: FaultyNode, setting: str, wrong: str, right: str
) -> None:
    name = setting.format(pod=next(iter(control.pod_links())))
    control.run("sysctl", "-qw", f"{name}={wrong}")

    def value() -> str:
        return control.run("sysctl", "-n", name).stdout.strip()

    eventually(lambda: value() == right, within_s=5, what=f"{name} = {right}")
    assert "1 received" in lab.exec("left", "ping", "-c1", "-W2", pod_ip(lab, "right"))
    assert "1 received" in lab.exec("left", "ping", "-c1", "-W2", "203.0.113.10")


def test_reload_of_all_settings_is_healed_and_said_with_the_settings_name(
    lab: Cluster, control: FaultyNode
) -> None:
    log = lab.folder / "logs"
    control.run("sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv4.conf.all.rp_filter=2")

    eventually(
        lambda: control.run("sysctl", "-n", "net.ipv4.ip_forward").stdout.strip() == "1",
        within_s=5,
        what="forwarding",
    )

    assert log.exists()
    answer = control.asked("healthz")
    (sync,) = (each for each in answer["controllers"] if each["name"] == "sync-sysctls")
    assert not sync["status"].get("failing-keys")
    agent = lab.kubectl("-n", "kube-system", "logs", "-l", "k8s-app=cilium", "--tail=-1")
    assert "sysctl net.ipv4.ip_forward was 0, and pods' packets need 1" in agent
