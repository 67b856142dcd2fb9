"""`ipam/agent/pod_cidrs.py`: of two nodes that claim one CIDR, the first uses it."""

import stat
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from tests.unit.identity.identity_api import publish, withdraw
from tests.unit.node.cluster_tables import NODE, NODE_IP, Kubernetes, cilium_node, new_cluster

from ciliate.api.core import Node
from ciliate.api.metadata import ObjectMeta
from ciliate.config.settings import IPAMSettings
from ciliate.ipam.agent.pod_cidrs import CIDRFile, HeldCIDR, PodCIDRs
from ciliate.ipam.node import NodeAddresses
from ciliate.net.address import IPNetwork
from ciliate.node.cluster import Cluster
from ciliate.node.own_node import OwnNode

MINE = ip_network("10.0.0.0/24")


def life(
    state: Path,
    *nodes: Any,
    mode: str = "cluster-pool",
    pod_cidrs: tuple[IPNetwork, ...] = (),
    living: tuple[str, ...] = (),
) -> tuple[Cluster, NodeAddresses]:
    """An agent of k8s-ctr between two restarts; `pod_cidrs` of its Node, `living` other Nodes."""
    cluster, addresses, _ = parts(state, *nodes, mode=mode, pod_cidrs=pod_cidrs, living=living)
    return cluster, addresses


def parts(
    state: Path,
    *nodes: Any,
    mode: str,
    pod_cidrs: tuple[IPNetwork, ...],
    living: tuple[str, ...] = (),
) -> tuple[Cluster, NodeAddresses, PodCIDRs]:
    cluster = new_cluster(Kubernetes(*living), OwnNode(NODE, NODE, {}, (NODE_IP,), (), pod_cidrs))
    for node in nodes:
        publish(cluster.nodes, node)
    addresses = NodeAddresses((4,))
    settings = IPAMSettings(mode, ipv4=True, ipv6=False, router_ipv4=None, router_ipv6=None)
    cidrs = PodCIDRs(settings, cluster, addresses, CIDRFile(state))
    cidrs.load()
    cidrs.follow()
    return cluster, addresses, cidrs


def own_node() -> Any:
    return cilium_node(NODE, str(NODE_IP), str(MINE))


def thief() -> Any:
    return cilium_node("k8s-w1", "192.168.10.101", str(MINE))


def test_owner_keeps_its_cidr_when_another_node_claims_it(tmp_path: Path) -> None:
    cluster, addresses = life(tmp_path / "cidrs", own_node())

    publish(cluster.nodes, thief())
    publish(cluster.nodes, own_node())

    assert addresses.cidrs == (MINE,)


def test_owner_keeps_its_cidr_over_a_restart_under_a_false_claim(tmp_path: Path) -> None:
    life(tmp_path / "cidrs", own_node())

    _, addresses = life(tmp_path / "cidrs", own_node(), thief())

    assert addresses.cidrs == (MINE,)


def test_who_comes_second_gives_no_address_until_the_first_lets_go(tmp_path: Path) -> None:
    cluster, addresses = life(tmp_path / "cidrs", thief(), own_node())
    assert not addresses.cidrs

    publish(cluster.nodes, cilium_node("k8s-w1", "192.168.10.101", "10.0.1.0/24"))

    assert addresses.cidrs == (MINE,)


async def test_claim_of_a_node_that_is_gone_holds_nobody_back(tmp_path: Path) -> None:
    cluster, addresses = life(tmp_path / "cidrs", thief(), own_node())

    withdraw(cluster.nodes, "k8s-w1")
    assert not addresses.cidrs  # Its Node may live: its pods, too.
    await cluster.known_nodes._forget_deleted()

    assert addresses.cidrs == (MINE,)


async def test_node_without_an_agent_that_lost_its_claim_holds_nobody_back(tmp_path: Path) -> None:
    cluster, addresses = life(tmp_path / "cidrs", thief(), own_node(), living=("k8s-w1",))

    withdraw(cluster.nodes, "k8s-w1")
    await cluster.known_nodes._forget_deleted()
    assert not addresses.cidrs, "its agent may be about to publish it anew"
    await cluster.known_nodes._forget_deleted()

    assert addresses.cidrs == (MINE,)


def test_node_that_cannot_be_read_any_more_keeps_what_was_read(tmp_path: Path) -> None:
    cluster, addresses = life(tmp_path / "cidrs", mode="kubernetes", pod_cidrs=(MINE,))
    annotations = {"network.cilium.io/ipv4-pod-cidr": "nonsense"}

    publish(cluster.own_node, Node(metadata=ObjectMeta(name=NODE, annotations=annotations)))

    assert addresses.cidrs == (MINE,)


def test_cidr_of_a_family_that_is_off_is_not_used_and_not_remembered(tmp_path: Path) -> None:
    """Kubernetes gave the Node both families; the agent runs with IPv4 alone."""
    both = (MINE, ip_network("fd00:10::/64"))

    _, addresses = life(tmp_path / "cidrs", mode="kubernetes", pod_cidrs=both)

    assert [held.cidr for held in addresses.held] == [MINE]
    assert [held.cidr for held in CIDRFile(tmp_path / "cidrs").load()] == [str(MINE)]


def test_node_says_which_of_its_cidrs_are_of_use(tmp_path: Path) -> None:
    both = (MINE, ip_network("fd00:10::/64"))
    _, _, cidrs = parts(tmp_path / "cidrs", mode="kubernetes", pod_cidrs=both)

    assert cidrs.of_node() == (MINE,), "the CiliumNode names what the agent answers for"


@pytest.mark.parametrize(
    ("mode", "pool"),
    [("multi-pool", "blue"), ("cluster-pool", "default"), ("kubernetes", "default")],
)
def test_default_pool_of_another_mode_is_not_asked_for_the_router(mode: str, pool: str) -> None:
    """`ipam-default-ip-pool` may be left over from multi-pool."""
    settings = IPAMSettings(
        mode, ipv4=True, ipv6=False, router_ipv4=None, router_ipv6=None, default_pool="blue"
    )

    assert settings.own_pool == pool


@pytest.mark.parametrize("bad", ['{"pool":"x","cidr":5}', '"10.0.0.0/24"', "5"])
def test_unreadable_entry_of_the_file_costs_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, bad: str
) -> None:
    path = tmp_path / "pod-cidrs.json"
    good = '{"pool":"blue","cidr":"10.1.0.0/24","current":true}'
    path.write_text(f"[{bad}, {good}]", encoding="ascii")

    assert CIDRFile(path).load() == (HeldCIDR("blue", "10.1.0.0/24", current=True),)
    assert f"{path}: entry 0 is not read" in caplog.text


@pytest.mark.parametrize("text", [b"", b"[", b"{}", b"\xff", b"[{]"])
def test_file_without_any_entry_that_can_be_read_tells_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: bytes
) -> None:
    path = tmp_path / "pod-cidrs.json"
    path.write_bytes(text)

    assert CIDRFile(path).load() == ()
    assert f"{path}: not read" in caplog.text


def test_file_is_roots_alone_whatever_lay_there(tmp_path: Path) -> None:
    path = tmp_path / "pod-cidrs.json"
    for leftover in (path, path.with_suffix(".new")):
        leftover.write_bytes(b"[]")
        leftover.chmod(0o644)

    CIDRFile(path).save([HeldCIDR("default", str(MINE), current=True)])

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert CIDRFile(path).load() == (HeldCIDR("default", str(MINE), current=True),)
