"""bpf/tally.bpf.c, and what bpf/lib/ports.h counts of failures: the book of ports as it is shown."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from tests.datapath.floods import flood, tcp
from tests.datapath.harness import mounted_bpffs
from tests.datapath.node_rig import (
    DEFAULT_SETTINGS,
    IN,
    NODE_4,
    NODE_6,
    OUT,
    SHOT,
    WORLD_4,
    WORLD_6,
    Node,
    node_rig,
    octets,
)

from ciliate.datapath.layout import (
    Connection,
    ConnectionOwner,
    ConnectionOwnerNumber,
    ConnectionPhase,
)
from ciliate.masquerade.maps import CONNECTION_OWNERS, CONNECTIONS, PORT_FAILURES, PORT_USERS
from ciliate.masquerade.ports.book import LISTED_PORTS_MAX, LISTED_SHARE, Remote

POD1_4, POD2_4 = "10.244.0.1", "10.244.0.2"
POD1_6 = "fd00:244::1"
POD1, POD2 = 1, 2
OWNER_NODE, OWNER_ALL = ConnectionOwnerNumber.OWNER_NODE, ConnectionOwnerNumber.OWNER_ALL
ICMP_NUMBER, TCP_NUMBER, UDP_NUMBER, ICMPV6_NUMBER = 1, 6, 17, 58


def remote(address: str, port: int, protocol: int) -> Remote:
    own = NODE_6 if ":" in address else NODE_4
    return Remote(octets(own), octets(address), port, protocol)


def test_ports_are_counted_by_destination_and_holder_in_both_families(node: Node) -> None:
    for number in range(5):
        node.sent_out(IP(src=POD1_4, dst=WORLD_4) / TCP(sport=40000 + number, dport=80))
    for number in range(3):
        node.sent_out(IP(src=POD2_4, dst=WORLD_4) / TCP(sport=40000 + number, dport=80))
        node.sent_out(IP(src=POD2_4, dst=WORLD_4) / UDP(sport=40000 + number, dport=53))
        node.sent_out(IPv6(src=POD1_6, dst=WORLD_6) / TCP(sport=40000 + number, dport=80))
    node.sent_out(IP(src=POD1_4, dst=WORLD_4) / ICMP(id=40000))
    node.sent_out(IPv6(src=POD1_6, dst=WORLD_6) / ICMPv6EchoRequest(id=40000))
    node.sent_out(IP(src=NODE_4, dst=WORLD_4) / ICMP(id=41000))

    counts = node.ports()

    assert counts.by_owner == {
        remote(WORLD_4, 80, TCP_NUMBER): {POD1: 5, POD2: 3},
        remote(WORLD_4, 53, UDP_NUMBER): {POD2: 3},
        remote(WORLD_6, 80, TCP_NUMBER): {POD1: 3},
        remote(WORLD_4, 0, ICMP_NUMBER): {POD1: 1, OWNER_NODE: 1},
        remote(WORLD_6, 0, ICMPV6_NUMBER): {POD1: 1},
    }
    assert counts.by_remote == {
        each: sum(ports.values()) for each, ports in counts.by_owner.items()
    }
    assert (counts.used, counts.unlisted, counts.least) == (17, 0, 1)


def test_only_what_holds_a_port_of_the_node_now_is_counted(node: Node) -> None:
    """Not connections from outside, those that keep the pod's address, nor those that are over."""
    node.from_uplink(IN / IP(src=WORLD_4, dst=POD1_4) / TCP(sport=4000, dport=80))
    for number in range(4):
        node.sent_out(IP(src=POD1_4, dst=WORLD_4) / TCP(sport=40000 + number, dport=80))
    outgoing = [each for each in node.connections() if each.local_port != 80]
    node.change(outgoing[0], expires_ns=1)
    node.change(outgoing[1], seen=outgoing[1].local, seen_port=outgoing[1].local_port)

    assert node.ports().by_remote == {remote(WORLD_4, 80, TCP_NUMBER): 2}
    with node.datapath.opened(PORT_USERS) as users:
        assert users.count() == 0


def test_an_empty_table_holds_no_ports(node: Node) -> None:
    assert node.ports().by_remote == {}


@pytest.mark.parametrize(
    ("pod", "world", "program"), [(POD1_4, WORLD_4, "tcp"), (POD1_6, WORLD_6, "udp")]
)
def test_searches_that_find_no_port_are_counted_by_destination(
    tmp_path: Path, objects: Path, pod: str, world: str, program: str
) -> None:
    settings = replace(DEFAULT_SETTINGS, snat_port_min=65001)
    ip, l4 = IPv6 if ":" in pod else IP, TCP if program == "tcp" else UDP
    number = TCP_NUMBER if program == "tcp" else UDP_NUMBER
    with (
        mounted_bpffs(tmp_path / "bpf") as bpf_root,
        node_rig(
            bpf_root=bpf_root, state_dir=tmp_path / "state", objects=objects, settings=settings
        ) as node,
    ):
        for port in range(65001, 65536):
            node.sent_out(ip(src=pod, dst=world) / l4(sport=port, dport=80))
            answer = ip(src=world, dst=NODE_6 if ":" in pod else NODE_4)
            node.from_uplink(IN / answer / l4(sport=80, dport=port, **_answered(l4)))
        full = node.ports()
        for port in range(3):
            dropped = ip(src=pod, dst=world) / l4(sport=1000 + port, dport=80)
            assert node.to_uplink(OUT / dropped).verdict == SHOT
        node.sent_out(ip(src=pod, dst=world) / l4(sport=1000, dport=81))

        assert full.by_remote == {remote(world, 80, number): 535}
        with node.datapath.opened(PORT_FAILURES) as failures:
            found = {Remote.of_failure(key): value.failed for key, value in failures.items()}
        assert found == {remote(world, 80, number): 3}
        with node.datapath.opened(CONNECTION_OWNERS) as owners:
            account = owners.get(POD1)
        assert account is not None
        assert (account.held, account.refused) == (536, 3)


def _answered(l4: type) -> dict[str, str]:
    return {"flags": "SA"} if l4 is TCP else {}


def test_in_a_large_table_destinations_with_many_ports_are_counted_exactly(node: Node) -> None:
    flood(
        node,
        "to_uplink",
        tcp(POD1_4, WORLD_4, "S"),
        ((32768 + number, 80) for number in range(5000)),
    )
    many = 3 * LISTED_PORTS_MAX
    (model, *_) = node.connections()
    fill(node, model, first=5000, count=many)

    counts = node.ports()

    web = remote(WORLD_4, 80, TCP_NUMBER)
    assert counts.used == 5000 + many
    assert counts.least == -(-counts.used // LISTED_SHARE)
    assert (counts.by_remote[web], counts.by_owner[web]) == (5000, {POD1: 5000})
    assert counts.unlisted == counts.used - sum(counts.by_remote.values())
    assert counts.unlisted > many * 9 // 10


def fill(node: Node, model: Connection, *, first: int, count: int) -> None:
    """Put as many connections of pod 2 into the table, each to another destination."""
    taken = {each.place for each in node.connections()}
    places = [place for place in range(65536) if place not in taken][:count]
    made = {
        place: model._replace(
            place=place,
            owner=POD2,
            remote=octets(f"198.18.{number >> 8}.{number & 255}"),
            state=ConnectionPhase.CONNECTION_LIVE,
        )
        for number, place in enumerate(places)
    }
    with (
        node.datapath.opened(CONNECTIONS) as connections,
        node.datapath.opened(CONNECTION_OWNERS) as owners,
    ):
        connections.put_many(made)
        owners.put(POD2, ConnectionOwner(count, 0, 0, 0))
        owners.put(OWNER_ALL, ConnectionOwner(first + count, 2, 0, 0))
    assert Counter(each.owner for each in node.connections()) == {POD1: first, POD2: count}
