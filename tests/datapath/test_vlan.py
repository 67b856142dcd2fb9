"""802.1Q: a pod's tag would lead into a network of the node's; a node's own tags are its own.

The kernel takes a tag off before tc sees a frame and puts it on after, so only frames that really
cross a device show what the programs make of them.
"""

from collections.abc import Iterator
from pathlib import Path
from subprocess import run as run_command
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw
from tests.datapath.harness import Compiler, Port
from tests.datapath.node_rig import (
    IN,
    NODE_4,
    OTHER_NODE_4,
    OUT,
    REMOTE_POD_6,
    WORLD_4,
    Node,
)

from ciliate.datapath.layout import AttachPoint, DropReason

POD1_4, POD1_6, POD1_MAC = "10.244.0.1", "fd00:244::1", "ee:0a:00:00:00:01"
POD2_4 = "10.244.0.2"
FROM_POD = Ether(src=POD1_MAC, dst="ee:0b:00:00:00:01")
VLAN = 5
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def tagger(node_of_module: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Port]:
    """A port whose frames leave the node by eth1 with a tag, as by a VLAN device above it.

    Kernels without 802.1Q devices (ours) keep tags all the same.
    """
    program = tmp_path_factory.mktemp("tagging") / "tagging.bpf.o"
    uplink = node_of_module.uplink_ifindex
    Compiler(ROOT).compile(ROOT / "tests/datapath/tagging.bpf.c", program, f"UPLINK={uplink}")
    space = node_of_module.namespace
    space.sysctl("net.ipv6.conf.default.disable_ipv6", "1")
    space.ip(
        "link add tag0 type veth peer name tag1",
        "link set tag0 up",
        "link set tag1 up",
    )
    what = ["bpf", "direct-action", "object-file", str(program), "section", "tc"]
    with space.entered():
        run_command(["tc", "qdisc", "add", "dev", "tag1", "clsact"], check=True)
        run_command(["tc", "filter", "add", "dev", "tag1", "ingress", *what], check=True)
    port = space.port("tag0")
    yield port
    port.close()


@pytest.mark.parametrize(
    "inside",
    [
        IP(src=POD1_4, dst=POD2_4) / ICMP(id=5),
        IP(src=POD1_4, dst=WORLD_4) / UDP(),
        IPv6(src=POD1_6, dst=REMOTE_POD_6) / UDP(),
        ARP(op=1, hwsrc=POD1_MAC, psrc=POD1_4, pdst="10.244.0.254"),
    ],
    ids=["to a pod", "to the world", "v6", "ARP"],
)
@pytest.mark.parametrize("type_", [0x8100, 0x88A8], ids=["802.1Q", "802.1ad"])
def test_tagged_frame_of_a_pod_is_a_counted_drop(node: Node, inside: Any, type_: int) -> None:
    marker = IP(src=POD1_4, dst=OTHER_NODE_4) / ICMP(id=67)
    with node.counted() as counted:
        node.pod1.port.send(
            Ether(src=POD1_MAC, dst=FROM_POD.dst, type=type_) / Dot1Q(vlan=VLAN) / inside
        )
        node.pod1.port.send(FROM_POD / marker)
        got = node.wire.receive(lambda frame: ICMP in frame or UDP in frame)

    assert got[ICMP].id == 67  # The second came, so the first would have.
    assert counted[DropReason.DROP_VLAN_NOT_ALLOWED, AttachPoint.FROM_POD] == 1


def test_priority_tag_of_a_pod_is_taken_off(node: Node) -> None:
    """VLAN 0 names no network (IEEE 802.1Q, 9.6); a receiver may not know such tags."""
    node.pod1.port.send(FROM_POD / Dot1Q(vlan=0, prio=7) / IP(src=POD1_4, dst=POD2_4) / UDP())
    got = node.pod2.port.receive(lambda frame: UDP in frame)
    assert got is not None
    assert Dot1Q not in got


def test_tag_behind_a_priority_tag_is_dropped(node: Node) -> None:
    inner = Dot1Q(vlan=VLAN) / IP(src=POD1_4, dst=OTHER_NODE_4) / UDP()
    with node.counted() as counted:
        node.pod1.port.send(FROM_POD / Dot1Q(vlan=0) / inner)
        node.pod1.port.send(FROM_POD / IP(src=POD1_4, dst=OTHER_NODE_4) / ICMP(id=67))
        assert node.wire.receive(lambda frame: ICMP in frame) is not None

    assert counted[DropReason.DROP_VLAN_NOT_ALLOWED, AttachPoint.FROM_POD] == 1


def test_answer_with_a_priority_tag_reaches_its_pod(node: Node) -> None:
    question = IP(src=POD1_4, dst=WORLD_4) / UDP(sport=50000, dport=53)
    assert node.sent_out(question)[UDP].sport == 50000
    header = Ether(src=IN.src, dst=IN.dst)
    answer = IP(src=WORLD_4, dst=NODE_4) / UDP(sport=53, dport=50000)

    node.wire.send(header / Dot1Q(vlan=0, prio=5) / answer)

    got = node.pod1.port.receive(lambda frame: UDP in frame)
    assert got is not None
    assert (got[IP].dst, Dot1Q in got) == (POD1_4, False)


def test_tagged_frame_that_arrives_is_no_pods(node: Node) -> None:
    """It came from a network that is not the pods', and a VLAN device may wait for it."""
    header = Ether(src=IN.src, dst=IN.dst)
    with node.counted() as counted:
        node.wire.send(header / Dot1Q(vlan=VLAN) / IP(src=WORLD_4, dst=POD1_4) / UDP(dport=66))
        node.wire.send(header / IP(src=WORLD_4, dst=POD1_4) / UDP(dport=67))
        got = node.pod1.port.receive(lambda frame: UDP in frame)

    assert got[UDP].dport == 67
    assert counted == {(DropReason.FORWARDED, AttachPoint.FROM_UPLINK): 2}


def test_tagged_frame_that_leaves_is_not_masqueraded(node: Node, tagger: Port) -> None:
    sent = IP(src=POD1_4, dst=WORLD_4) / UDP(sport=7, dport=8) / Raw(b"x" * 40)

    tagger.send(Ether(src=OUT.src, dst=OUT.dst) / sent)

    got = node.wire.receive(lambda frame: UDP in frame)
    assert got is not None
    assert bytes(got[IP]) == bytes(sent)
    assert not node.connections()
