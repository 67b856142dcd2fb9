"""bpf/lib/connection_table.h: whose connections go when there is no room, and what ends them."""

import mmap
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from scapy.layers.inet import IP, TCP
from tests.datapath.floods import flood, frames, tcp
from tests.datapath.harness import mounted_bpffs
from tests.datapath.node_rig import (
    DEFAULT_SETTINGS,
    IN,
    NODE_4,
    OK,
    REDIRECT,
    ROUTER_4,
    WORLD_4,
    Node,
    node_rig,
    octets,
)

from ciliate.cli.dbg_bpf import command
from ciliate.datapath import test_run
from ciliate.datapath.layout import Connection, ConnectionOwnerNumber
from ciliate.masquerade.maps import CONNECTION_OWNERS, CONNECTIONS, CONNTRACK
from ciliate.node.maps import ENDPOINTS

POD1_4, POD2_4 = "10.244.0.1", "10.244.0.2"
POD1, POD2 = 1, 2
ROOM = 1024
IDLE = 20
CACHE_LINE_BYTES = 64
OUTSIDE, NOBODY = ConnectionOwnerNumber.OWNER_OUTSIDE, ConnectionOwnerNumber.OWNER_COUNT


@pytest.fixture(scope="module")
def node_of_module(tmp_path_factory: pytest.TempPathFactory, objects: Path) -> Iterator[Node]:
    """A node with a small table."""
    folder = tmp_path_factory.mktemp("node")
    settings = replace(DEFAULT_SETTINGS, connections_max=ROOM, accounting=True)
    with (
        mounted_bpffs(folder / "bpf") as bpf_root,
        node_rig(
            bpf_root=bpf_root, state_dir=folder / "state", objects=objects, settings=settings
        ) as node,
    ):
        yield node


def answered(node: Node, pod: str, count: int = IDLE) -> list[int]:
    """Open connections of `pod` that the world answers; return the ports the world sees."""
    ports = []
    for number in range(count):
        syn = IP(src=pod, dst=WORLD_4) / TCP(sport=40000 + number, dport=80)
        ports.append(int(node.sent_out(syn)[TCP].sport))
        answer = IP(src=WORLD_4, dst=NODE_4) / TCP(sport=80, dport=ports[-1], flags="SA")
        assert node.from_uplink(IN / answer).verdict == REDIRECT
    return ports


def inbound(node: Node, pod: str, count: int = IDLE) -> None:
    """Let the world open connections to `pod` and go on after its answers."""
    for number in range(count):
        ports = {"sport": 4000 + number, "dport": 80}
        back = {"sport": 80, "dport": 4000 + number}
        for flags in ("S", "A"):
            packet = IP(src=WORLD_4, dst=pod) / TCP(**ports, flags=flags, ack=flags == "A")
            assert node.from_uplink(IN / packet).verdict == REDIRECT
            reply = IP(src=pod, dst=WORLD_4) / TCP(**back, flags="SA" if flags == "S" else "A")
            assert node.sent_out(reply)[IP].src == pod


def holders(node: Node) -> Counter[int]:
    """Return how many connections each owner has, counted by walking the table."""
    return Counter(each.owner for each in node.connections())


def assert_counts_agree(node: Node) -> None:
    """What the programs count of each owner is what there is, and nothing stays in conntrack."""
    walked = holders(node)
    with node.datapath.opened(CONNECTION_OWNERS) as owners:
        counted = {number: owner.held for number, owner in owners.items() if owner.held}
    assert counted.pop(ConnectionOwnerNumber.OWNER_ALL, 0) == walked.total()
    assert counted == dict(walked)
    with node.datapath.opened(CONNTRACK) as conntrack:
        assert conntrack.count() == 2 * walked.total()


def assert_still_there(node: Node, pod: str, ports: list[int]) -> None:
    """Each connection of `answered` goes on, in both directions."""
    for number, port in enumerate(ports):
        answer = IP(src=WORLD_4, dst=NODE_4) / TCP(sport=80, dport=port, flags="A")
        assert node.from_uplink(IN / answer).verdict == REDIRECT
        packet = IP(src=pod, dst=WORLD_4) / TCP(sport=40000 + number, dport=80, flags="A")
        assert node.sent_out(packet)[TCP].sport == port


def test_a_pod_that_fills_the_table_ten_times_ends_its_own_flows_alone(node: Node) -> None:
    ports = answered(node, POD2_4)

    flood(
        node,
        "to_uplink",
        tcp(POD1_4, WORLD_4, "A"),
        ((1024 + n % 60000, 100 + n // 60000) for n in range(10 * ROOM)),
    )

    assert_still_there(node, POD2_4, ports)
    found = holders(node)
    assert found[POD2] == IDLE
    assert found[POD1] <= ROOM * 7 // 8
    assert_counts_agree(node)


@pytest.mark.parametrize("flags", ["S", "A", "SA", "F"])
def test_an_outsider_that_floods_a_pod_ends_no_connection_that_stands(
    node: Node, flags: str
) -> None:
    ports = answered(node, POD2_4)
    inbound(node, POD1_4)

    flood(
        node,
        "from_uplink",
        tcp("203.0.113.99", POD1_4, flags),
        ((1024 + n, 80) for n in range(10 * ROOM)),
    )

    assert_still_there(node, POD2_4, ports)
    found = holders(node)
    assert (found[POD1], found[POD2]) == (IDLE, IDLE)
    assert found[OUTSIDE] <= ROOM * 7 // 8
    assert_counts_agree(node)


def test_forged_packets_to_the_node_and_its_resets_make_no_connection(node: Node) -> None:
    flood(
        node,
        "from_uplink",
        tcp("203.0.113.99", NODE_4, "S"),
        ((1024 + n, 40000) for n in range(500)),
    )
    flood(
        node,
        "to_uplink",
        tcp(NODE_4, "203.0.113.99", "RA"),
        ((40000, 1024 + n) for n in range(500)),
    )

    assert not node.connections()


def test_a_newcomer_gets_room_in_a_full_table(node: Node) -> None:
    """Above the share of one who holds nearly all, what others need is taken from it."""
    flood(
        node,
        "to_uplink",
        tcp(POD1_4, WORLD_4, "S"),
        ((1024 + n, 80) for n in range(2 * ROOM)),
    )
    share = ROOM * 3 // 4 // 3  # Two pods have something, and who asks counts as one more.

    verdicts = flood(
        node,
        "to_uplink",
        tcp(POD2_4, ROUTER_4, "S"),
        ((1024 + n, 80) for n in range(share)),
    )

    assert set(verdicts) == {OK}
    assert holders(node)[POD2] == share
    assert_counts_agree(node)


def test_what_a_pod_left_behind_ends_and_nobody_elses(node: Node) -> None:
    """Before another pod gets the address: it would get what is meant for the former."""
    ports = answered(node, POD1_4)
    inbound(node, POD1_4)
    answered(node, POD2_4)
    with node.datapath.opened(ENDPOINTS) as endpoints:
        entry = endpoints.get(octets(POD1_4))
        assert entry is not None
        endpoints.remove(octets(POD1_4))
        try:
            assert node.sweeper().orphans() == 2 * IDLE
        finally:
            endpoints.put(octets(POD1_4), entry)

    assert holders(node) == {POD2: IDLE}
    assert_counts_agree(node)
    for port in ports:
        answer = IP(src=WORLD_4, dst=NODE_4) / TCP(sport=80, dport=port, flags="A")
        assert node.from_uplink(IN / answer).verdict == OK


def test_connections_of_one_pod_or_to_one_remote_can_be_ended(node: Node) -> None:
    answered(node, POD1_4)
    answered(node, POD2_4)
    node.sent_out(IP(src=POD1_4, dst=ROUTER_4) / TCP(sport=40000, dport=80))

    assert node.sweeper().matching(remote=ip_address(ROUTER_4)) == 1
    assert node.sweeper().matching(local=ip_address(POD1_4), remote=ip_address(ROUTER_4)) == 0
    assert node.sweeper().matching(local=ip_address(POD1_4)) == IDLE
    assert holders(node) == {POD2: IDLE}


def test_flush_ends_what_its_options_name(node: Node) -> None:
    answered(node, POD1_4)
    answered(node, POD2_4)
    node.sent_out(IP(src=POD1_4, dst=ROUTER_4) / TCP(sport=40000, dport=80))

    def flush(*options: str) -> Result:
        return CliRunner().invoke(
            command, ["--bpf-root", str(node.bpf_root), "nat", "flush", *options]
        )

    assert flush("--pod", POD1_4, "--destination", ROUTER_4).output == "1 connections ended\n"
    assert flush("--pod", POD2_4).output == f"{IDLE} connections ended\n"
    wrong = flush("--pod", "10.244.0.999")
    assert (wrong.exit_code, "10.244.0.17" in wrong.output) == (2, True)
    assert holders(node) == {POD1: IDLE}
    assert flush().output == f"{IDLE} connections ended\n"
    assert_counts_agree(node)


def test_what_is_over_is_tidied_away_and_what_lives_is_not(node: Node) -> None:
    answered(node, POD1_4)
    answered(node, POD2_4)
    for connection in node.connections():
        if connection.owner == POD1:
            node.change(connection, expires_ns=1)

    assert node.sweeper().tidy() == IDLE
    assert holders(node) == {POD2: IDLE}
    assert_counts_agree(node)


def test_packets_of_both_directions_are_counted_where_that_is_asked_for(node: Node) -> None:
    inbound(node, POD1_4, count=1)

    (known,) = node.connections()
    assert (known.packets, known.bytes) == (4, 4 * 54)


def test_two_processors_that_see_a_flow_first_agree_on_its_port(node: Node) -> None:
    flows = 400
    fd, ifindex = node.datapath.programs.to_uplink_fd, node.uplink_ifindex
    packets = list(frames(tcp(POD1_4, WORLD_4, "S"), ((1024 + n, 80) for n in range(flows))))
    seen: list[list[int]] = [[], []]
    start = threading.Barrier(2)

    def send(which: int) -> None:
        with node.namespace.entered():
            for packet in packets:
                start.wait()
                run = test_run.run(fd, packet, ifindex=ifindex)
                seen[which].append(int.from_bytes(run.packet[34:36]))

    threads = [threading.Thread(target=send, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(seen[0])) == flows
    assert seen[0] == seen[1]
    assert_counts_agree(node)


def test_a_connection_fills_cache_lines_and_touches_no_other(node: Node) -> None:
    """The table begins where a page does, which is what can be mapped."""
    answered(node, POD1_4, 1)
    (known,) = node.connections()
    size = Connection.SIZE

    with (
        node.datapath.opened(CONNECTIONS) as table,
        mmap.mmap(table.fd, ROOM * size, mmap.MAP_SHARED, mmap.PROT_READ) as octets_of_table,
    ):
        start = known.place * size
        assert Connection.unpack(octets_of_table[start : start + size]) == known
    assert size % CACHE_LINE_BYTES == 0


@contextmanager
def one_processor() -> Iterator[None]:
    """Keep this thread, and the programs it runs, on one processor."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def test_connections_opened_one_after_the_other_lie_side_by_side(node: Node) -> None:
    """Their packets touch few pages; but for a place that is taken, or the table's end."""
    with one_processor():
        answered(node, POD1_4)

    places = [each.place for each in sorted(node.connections(), key=lambda each: each.local_port)]

    steps = [behind - before for before, behind in pairwise(places)]
    assert steps.count(1) >= IDLE - 2
