"""What the kernel keeps of a packet's metadata between programs: docs/DATAPATH.md, to_uplink."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from tests.datapath.conftest import ROOT
from tests.datapath.harness import Compiler, Namespace, Port

POD_IP, WORLD_IP, ROUTER_IP = "10.244.0.1", "203.0.113.10", "192.168.10.200"
POD_MAC, HOST_MAC = "ee:0a:00:00:00:01", "ee:0b:00:00:00:01"
MARK, NOTE, INDEX = 0x300, 0x111, 0x222


@pytest.fixture
def spaces() -> Iterator[list[Namespace]]:
    """A node that forwards, its pod, and the far end of its uplink, not connected yet."""
    made = [Namespace() for _ in range(3)]
    yield made
    for space in made:
        space.close()


@pytest.fixture
def ports(spaces: list[Namespace]) -> tuple[Port, Port]:
    """The pod's and the far end's device, connected to the node."""
    node, pod, far_end = spaces
    for space in (pod, far_end):
        space.sysctl("net.ipv6.conf.default.disable_ipv6", "1")
    node.sysctl("net.ipv6.conf.default.disable_ipv6", "1")
    node.sysctl("net.ipv4.ip_forward", "1")
    node.ip(
        f"link add lxc1 address {HOST_MAC} type veth peer name eth0 address {POD_MAC} netns {pod.path}",
        f"link add eth1 type veth peer name wire netns {far_end.path}",
        "address add 192.168.10.100/24 dev eth1",
        "link set lxc1 up",
        "link set eth1 up",
        f"route add {POD_IP}/32 dev lxc1",
        f"route add default via {ROUTER_IP}",
        f"neigh replace {ROUTER_IP} lladdr 02:00:00:00:00:fe dev eth1 nud permanent",
    )
    pod.ip("link set eth0 up")
    far_end.ip("link set wire arp off", "link set wire up")
    return pod.port("eth0"), far_end.port("wire")


def attach(node: Namespace, folder: Path, *, by_stack: bool) -> None:
    """Compile the two programs and attach them."""
    target = folder / "marks.bpf.o"
    defines = (f"UPLINK={node.ifindex('eth1')}", f"BY_STACK={int(by_stack)}")
    Compiler(ROOT).compile(ROOT / "tests/datapath/marks.bpf.c", target, *defines)
    for device, direction, program in (
        ("lxc1", "ingress", "marking"),
        ("eth1", "egress", "showing"),
    ):
        where = ["dev", device]
        what = ["bpf", "direct-action", "object-file", str(target), "section", f"tc/{program}"]
        with node.entered():
            subprocess.run(["tc", "qdisc", "add", *where, "clsact"], check=True)
            subprocess.run(["tc", "filter", "add", *where, direction, *what], check=True)


@pytest.mark.parametrize(
    ("by_stack", "kept"),
    [(False, (MARK, NOTE, INDEX)), (True, (MARK, 0, 0))],
    ids=["redirect", "stack"],
)
def test_what_lives_from_the_pods_device_to_the_uplink(
    spaces: list[Namespace],
    ports: tuple[Port, Port],
    tmp_path: Path,
    *,
    by_stack: bool,
    kept: tuple[int, ...],
) -> None:
    """And a mark that the pod itself sets is gone before the first program."""
    attach(spaces[0], tmp_path, by_stack=by_stack)
    pod, wire = ports
    pod.mark(0x300)

    pod.send(Ether(src=POD_MAC, dst=HOST_MAC) / IP(src=POD_IP, dst=WORLD_IP) / UDP(dport=53))

    seen = wire.receive(lambda frame: IP in frame and frame[IP].dst == WORLD_IP)
    found = bytes.fromhex(seen.src.replace(":", ""))
    assert tuple(int.from_bytes(found[at : at + 2], "big") for at in (0, 2, 4)) == kept
