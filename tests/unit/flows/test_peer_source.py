"""`flows/peer_source.py`: relays hear of every node that has an address, by name and certificate."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ciliate.config.hubble_server_settings import (
    HubbleListenSettings,
    read_hubble_listen_settings,
)
from ciliate.config.texts import Texts
from ciliate.flows.feed import Line, NodePeer, NodePeerGone
from ciliate.flows.peer_source import PeerSource, peer_address
from ciliate.net.address import ip_address
from ciliate.node.context import Context
from ciliate.node.known_node import KnownNode

LISTEN = {"hubble-listen-address": ":4244"}


def node(name: str, *addresses: str, **changes: Any) -> KnownNode:
    known = KnownNode(
        name=name,
        internal_ips=tuple(map(ip_address, addresses)),
        other_addresses=(),
        pod_cidrs=(),
        is_local=False,
    )
    return replace(known, **changes)


class Nodes:
    """The nodes of a cluster, which the test changes."""

    def __init__(self, *known: KnownNode) -> None:
        self._known = {each.name: each for each in known}
        self._listeners: list[Callable[[KnownNode | None, KnownNode | None], object]] = []

    def __iter__(self) -> Iterator[KnownNode]:
        return iter(self._known.values())

    def add_listener(
        self, listener: Callable[[KnownNode | None, KnownNode | None], object]
    ) -> None:
        self._listeners.append(listener)

    def change(self, old: KnownNode | None, new: KnownNode | None) -> None:
        for each in self._listeners:
            each(old, new)


def source_of(
    nodes: Nodes, *, cluster: str = "default", config: dict[str, str] | None = None
) -> PeerSource:
    listen = settings(**(LISTEN if config is None else config))
    context = SimpleNamespace(
        cluster=SimpleNamespace(known_nodes=nodes),
        settings=SimpleNamespace(
            cluster=SimpleNamespace(name=cluster),
            flows=SimpleNamespace(hubble=SimpleNamespace(listen=listen)),
        ),
    )
    return PeerSource(cast("Context", context))


def settings(**config: str) -> HubbleListenSettings:
    return read_hubble_listen_settings(Texts(config))


def changes_of(source: PeerSource) -> list[Line]:
    told: list[Line] = []
    source.changed.add(told.append)
    source.listen()
    return told


W1, W2 = node("k8s-w1", "192.0.2.1"), node("k8s-w2", "192.0.2.2")


def test_every_node_with_an_address_is_told() -> None:
    source = source_of(Nodes(W1, W2, node("none")))

    assert [*source.all()] == [
        NodePeer(
            name=f"k8s-w{n}",
            address=f"192.0.2.{n}:4244",
            server_name=f"k8s-w{n}.default.hubble-grpc.cilium.io",
        )
        for n in (1, 2)
    ]


def test_node_of_a_cluster_with_a_name_has_it_before_its_own() -> None:
    [told] = source_of(Nodes(W1), cluster="east").all()

    assert told == NodePeer(
        name="east/k8s-w1",
        address="192.0.2.1:4244",
        server_name="k8s-w1.east.hubble-grpc.cilium.io",
    )


def test_without_tls_no_certificate_has_a_name() -> None:
    [told] = source_of(Nodes(W1), config=LISTEN | {"hubble-disable-tls": "true"}).all()

    assert isinstance(told, NodePeer)
    assert told.server_name == ""


def test_changes_are_told_as_what_is_true_now() -> None:
    nodes = Nodes(W1)
    source = source_of(nodes)
    told = changes_of(source)
    moved = node("k8s-w2", "192.0.2.9")

    nodes.change(None, W2)
    nodes.change(W2, moved)
    nodes.change(moved, None)

    name = "k8s-w2.default.hubble-grpc.cilium.io"
    assert told == [
        NodePeer(name="k8s-w2", address="192.0.2.2:4244", server_name=name),
        NodePeer(name="k8s-w2", address="192.0.2.9:4244", server_name=name),
        NodePeerGone(name="k8s-w2"),
    ]


def test_change_of_something_else_is_not_told() -> None:
    nodes = Nodes(W1)
    told = changes_of(source_of(nodes))

    nodes.change(W1, replace(W1, created="2030-01-01T00:00:00Z"))
    nodes.change(None, node("none"))
    nodes.change(node("none"), None)

    assert told == []


def test_node_that_loses_its_address_is_gone_and_one_that_gets_one_is_there() -> None:
    nodes, bare = Nodes(), node("k8s-w1")
    told = changes_of(source_of(nodes))

    nodes.change(W1, bare)
    nodes.change(bare, W1)

    assert [type(each) for each in told] == [NodePeerGone, NodePeer]


def test_nothing_is_told_where_no_node_answers_relays() -> None:
    nodes = Nodes(W1)
    source = source_of(nodes, config={})
    told = changes_of(source)

    nodes.change(None, W2)

    assert [*source.all()] == told == []


@pytest.mark.parametrize(
    ("addresses", "prefers", "address"),
    [
        (("192.0.2.1", "fd00::1"), "false", "192.0.2.1:4244"),
        (("fd00::1", "192.0.2.1"), "false", "192.0.2.1:4244"),
        (("192.0.2.1", "fd00::1"), "true", "[fd00::1]:4244"),
        (("fd00::1",), "false", "[fd00::1]:4244"),
        (("192.0.2.1",), "true", "192.0.2.1:4244"),
        ((), "true", ""),
    ],
)
def test_address_is_of_the_family_that_is_preferred_where_there_is_one(
    addresses: tuple[str, ...], prefers: str, address: str
) -> None:
    listen = settings(**LISTEN, **{"hubble-prefer-ipv6": prefers})

    assert peer_address(node("k8s-w1", *addresses), listen) == address
