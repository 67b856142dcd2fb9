"""Which routes are ours: those that were noted, and no other, whatever its form."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from tests.unit.identity.identity_api import publish
from tests.unit.node.cluster_tables import all_listed
from tests.unit.node.endpoint_samples import endpoint
from tests.unit.routing.route_kernel import ETH1, RoutingNode, worker

from ciliate.net.link import Route, RouteKind, RouteProtocol
from ciliate.routing.written_routes import FILE_NAME

W1 = "192.168.10.101"


def notes(node: RoutingNode) -> Path:
    return node.paths.state / FILE_NAME


async def is_told(node: RoutingNode, destination: str) -> str:
    """Walk, and return what is said of a destination."""
    await node.feature._reachability.ask()
    assert not await node.sync.run_once()
    return node.sync.status.failing_keys[destination].message


@pytest.mark.parametrize("protocol", [RouteProtocol.KERNEL, RouteProtocol.BOOT, 253])
async def test_route_of_ours_is_removed_by_the_next_agent_and_one_of_its_form_stays(
    node: RoutingNode, protocol: int
) -> None:
    publish(node.cluster.nodes, worker(1))
    await node.pass_all()
    by_hand = Route(ip_network("10.244.77.0/24"), ETH1, ip_address(W1), protocol=protocol)
    node.kernel.routes[by_hand.destination] = by_hand
    publish(node.cluster.nodes, worker(1, "10.244.8.0/24"))

    await node.restart()
    await node.pass_all()

    assert node.kernel.held().keys() == {"10.244.8.0/24", "10.244.77.0/24"}


@pytest.mark.parametrize(
    "other",
    [
        Route(ip_network("10.244.1.0/24"), ETH1, ip_address("192.168.10.9"), link_name="eth1"),
        Route(ip_network("10.244.1.0/24"), 5, protocol=RouteProtocol.BOOT, link_name="eth2"),
        Route(ip_network("10.244.1.0/24"), protocol=3, kind=RouteKind.BLACKHOLE),
        Route(ip_network("10.244.1.0/24"), 5, ip_address("10.9.0.1"), protocol=16, metric=100),
    ],
    ids=["proto kernel", "connected", "blackhole", "another metric"],
)
@pytest.mark.parametrize("whole", [True, False], ids=["walk", "touched"])
async def test_route_of_somebody_else_is_never_replaced_and_is_named(
    node: RoutingNode, other: Route, *, whole: bool
) -> None:
    await node.pass_all()
    node.kernel.routes[other.destination] = other
    if whole:
        await node.sync.run_once()

    publish(node.cluster.nodes, worker(1))
    await node.pass_touched()
    said = await is_told(node, "10.244.1.0/24")

    assert node.kernel.routes[other.destination] is other
    assert node.kernel.written == []
    assert other.gateway is None or f"via {other.gateway}" in said
    assert "10.244.1.0/24" in said


async def test_identical_route_of_somebody_else_is_as_good(node: RoutingNode) -> None:
    await node.pass_all()
    node.kernel.has("10.244.1.0/24", via=W1)
    publish(node.cluster.nodes, worker(1))

    await node.pass_all()

    assert node.kernel.written == []


async def test_conflict_message_says_prefix_gateway_device_protocol_metric_and_remedy(
    node: RoutingNode,
) -> None:
    await node.pass_all()
    prefix = ip_network("10.244.1.0/24")
    node.kernel.routes[prefix] = Route(
        prefix, 5, ip_address("10.9.0.1"), protocol=16, metric=100, link_name="eth2"
    )
    publish(node.cluster.nodes, worker(1))

    assert await is_told(node, "10.244.1.0/24") == (
        "10.244.1.0/24: another route stands there: 10.244.1.0/24 via 10.9.0.1 dev eth2 proto dhcp"
        " metric 100: remove it, or give the node another pod CIDR"
    )


async def test_former_agents_routes_are_taken_over_by_their_form_and_defaults_by_a_node(
    node: RoutingNode,
) -> None:
    """It kept no notes. A default route by a node is what a claim to the whole world left."""
    publish(node.cluster.nodes, worker(1))
    node.kernel.has("0.0.0.0/0", via=W1)
    node.kernel.has("::/0", via="fd00:10::2")
    node.kernel.has("10.244.77.0/24", via="192.168.10.177")
    node.kernel.has("10.99.0.0/16")

    await node.pass_all()

    assert node.kernel.held().keys() == {"::/0", "10.99.0.0/16", "10.244.1.0/24"}
    assert notes(node).exists()


async def test_first_agent_of_a_node_takes_nothing_over(monkeypatch: pytest.MonkeyPatch) -> None:
    node = RoutingNode(monkeypatch)
    node.be_new()
    all_listed(node.cluster)
    node.kernel.has("10.244.77.0/24", via="192.168.10.177")
    await node.start()

    await node.pass_all()

    assert node.kernel.held().keys() == {"10.244.77.0/24"}


async def test_lost_notes_are_made_up_for_by_form(node: RoutingNode) -> None:
    publish(node.cluster.nodes, worker(1))
    await node.pass_all()
    publish(node.cluster.nodes, worker(1, "10.244.8.0/24"))
    notes(node).write_bytes(b"{")

    await node.restart()
    await node.pass_all()

    assert node.kernel.held().keys() == {"10.244.8.0/24"}


async def test_nothing_is_written_that_cannot_be_noted(node: RoutingNode) -> None:
    """A full disk: what stands goes on, what comes waits, and pods of this node need no note."""
    publish(node.cluster.nodes, worker(1))
    await node.pass_all()
    notes(node).unlink()
    notes(node).mkdir()

    publish(node.cluster.nodes, worker(2))
    await node.pass_touched()

    assert node.kernel.held().keys() == {"10.244.1.0/24"}
    assert "make room" in node.sync.status.failing_keys["10.244.2.0/24"].message
    notes(node).rmdir()
    await node.pass_all()
    assert node.kernel.held().keys() == {"10.244.1.0/24", "10.244.2.0/24"}


@pytest.mark.parametrize("whole", [True, False], ids=["walk", "touched"])
async def test_full_disk_costs_only_routes_that_need_a_new_note(
    node: RoutingNode, *, whole: bool
) -> None:
    """A pod of this node and a node known before had no route, for one node that came."""
    publish(node.cluster.nodes, worker(1))
    node.table.put(endpoint(1, ifindex=11))
    await node.pass_all()
    notes(node).unlink()
    notes(node).mkdir()

    for lost in ("10.244.1.0/24", "10.244.0.1/32"):
        node.kernel.loses(lost)
        node.sync.touch([ip_network(lost)])
    publish(node.cluster.nodes, worker(2, "10.244.2.0/24", "fd00:10:2::/64"))
    node.table.put(endpoint(2, ifindex=12))
    await node.feature._reachability.ask()
    if whole:
        assert not await node.sync.run_once()
    else:
        await node.pass_touched()

    assert node.kernel.held() == {
        "10.244.1.0/24": (ETH1, W1),
        "10.244.0.1/32": (11, ""),
        "10.244.0.2/32": (12, ""),
    }
    failing = node.sync.status.failing_keys
    assert failing.keys() == {"10.244.2.0/24"}, "the node has no IPv6 address"
    assert str(notes(node)) in failing["10.244.2.0/24"].message


async def test_full_disk_at_a_start_without_notes_costs_no_route_that_stands(
    node: RoutingNode,
) -> None:
    """What a former agent left cannot be noted: the whole walk failed, pods' routes with it."""
    publish(node.cluster.nodes, worker(1))
    node.kernel.has("10.244.1.0/24", via=W1)
    node.kernel.has("10.244.77.0/24", via="192.168.10.177")
    node.table.put(endpoint(1, ifindex=11))
    notes(node).mkdir()
    await node.restart()

    await node.pass_all()
    node.kernel.has("10.244.78.0/24", via="192.168.10.178")
    await node.pass_all()

    assert node.kernel.held() == {
        "10.244.1.0/24": (ETH1, W1),
        "10.244.0.1/32": (11, ""),
        "10.244.78.0/24": (ETH1, "192.168.10.178"),  # Of somebody else, after the start.
    }
    notes(node).rmdir()
    node.table.put(endpoint(2, ifindex=12))
    await node.pass_touched()
    assert "10.244.1.0/24" in notes(node).read_text()


async def test_agent_killed_after_its_note_knows_the_route_whether_it_was_written_or_not(
    node: RoutingNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(node.cluster.nodes, worker(1))
    await node.pass_all()

    async def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killing:
        killing.setattr("ciliate.routing.target.replace_route", killed)
        publish(node.cluster.nodes, worker(1, ip="192.168.10.151"))
        with pytest.raises(KeyboardInterrupt):
            await node.pass_touched()
    await node.restart()
    await node.pass_all()
    assert node.kernel.held() == {"10.244.1.0/24": (ETH1, "192.168.10.151")}

    await node.restart()
    await node.pass_all()
    assert node.kernel.held() == {"10.244.1.0/24": (ETH1, "192.168.10.151")}
