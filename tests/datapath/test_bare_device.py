"""Node devices whose packets begin with the IP header: a tun device, as VPNs of every kind make."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from tests.datapath.harness import Tun, mounted_bpffs
from tests.datapath.node_rig import DEFAULT_SETTINGS, Node, node_rig, octets
from tests.datapath.soundness import sound

from ciliate.datapath.datapath import Datapath
from ciliate.datapath.device import AttachMode
from ciliate.datapath.device_programs import DeviceRole
from ciliate.datapath.layout import (
    AttachPoint,
    DropReason,
    Endpoint,
    EndpointFlag,
    MasqueradeAddress,
)
from ciliate.datapath.probes import Support, tcx
from ciliate.masquerade.maps import MASQUERADE_ADDRESSES
from ciliate.node.maps import ENDPOINTS

OWN_4, OWN_6 = "10.8.0.1", "fd00:8::1"
PEER_4, PEER_6 = "10.8.0.9", "fd00:8::9"
PORT = 40000  # Of the range, so that it stays.


class Place(NamedTuple):
    """A node with a second device, `tun0`, and the far end of that."""

    node: Node
    tun: Tun
    bpf_root: Path
    state_dir: Path


@pytest.fixture(scope="module", params=list(AttachMode), ids=lambda mode: str(mode.name))
def place_of_module(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, objects: Path
) -> Iterator[Place]:
    if request.param is AttachMode.TCX and tcx() is not Support.SUPPORTED:
        pytest.skip("needs TCX")
    folder = tmp_path_factory.mktemp("node")
    bpf_root, state_dir = folder / "bpf", folder / "state"
    with (
        mounted_bpffs(bpf_root),
        node_rig(
            bpf_root=bpf_root, state_dir=state_dir, objects=objects, attach_mode=request.param
        ) as node,
        Tun("tun0") as tun,
    ):
        add_device(node)
        yield Place(node, tun, bpf_root, state_dir)


def add_device(node: Node) -> None:
    """Do with `tun0` what the agent does with a device of the node."""
    node.namespace.ip(
        f"address add {OWN_4}/24 dev tun0",
        f"address add {OWN_6}/64 dev tun0 nodad",
        "link set tun0 up",
    )
    ifindex = node.namespace.ifindex("tun0")
    with node.datapath.opened(MASQUERADE_ADDRESSES) as addresses:
        addresses.put(ifindex, MasqueradeAddress(octets(OWN_4), octets(OWN_6)))
    with node.datapath.opened(ENDPOINTS) as endpoints:
        for address in (OWN_4, OWN_6):
            host = Endpoint(0, 1, 0, EndpointFlag.ENDPOINT_HOST, bytes(6), bytes(6))
            endpoints.put(octets(address), host)
    node.datapath.attach(ifindex=ifindex, device="tun0", role=DeviceRole.BARE_UPLINK)


@pytest.fixture
def place(place_of_module: Place) -> Iterator[Place]:
    with place_of_module.node.namespace.entered():
        place_of_module.node.forget_flows()
        place_of_module.tun.drain()
        yield place_of_module


FAMILIES = pytest.mark.parametrize(
    ("layer", "pod", "own", "peer"),
    [(IP, "ipv4", OWN_4, PEER_4), (IPv6, "ipv6", OWN_6, PEER_6)],
    ids=["v4", "v6"],
)


@FAMILIES
def test_a_pods_packet_leaves_masqueraded_and_its_answer_comes_back(
    place: Place, layer: Any, pod: str, own: str, peer: str
) -> None:
    node, tun = place.node, place.tun
    address = getattr(node.pod1, pod)
    ethernet = Ether(src=node.pod1.mac, dst=node.pod1.host_mac)

    node.pod1.port.send(ethernet / layer(src=address, dst=peer) / UDP(sport=PORT, dport=53))
    left = tun.receive(lambda packet: UDP in packet)
    answer = layer(src=peer, dst=own) / UDP(sport=53, dport=left[UDP].sport) / b"answer"
    tun.send(answer)
    got = node.pod1.port.receive(lambda frame: UDP in frame)

    assert (left[layer].src, left[layer].dst, left[UDP].dport) == (own, peer, 53)
    assert (got.dst, got.src) == (node.pod1.mac, node.pod1.host_mac)
    assert (got[layer].src, got[layer].dst, got[UDP].dport) == (peer, address, PORT)
    assert bytes(got[UDP].payload)[:6] == b"answer"
    assert sound(Ether(bytes(ethernet / left)))
    assert sound(got)


@FAMILIES
def test_who_comes_by_the_device_reaches_a_pod_and_is_answered_by_it(
    place: Place,
    layer: Any,
    pod: str,
    own: str,
    peer: str,
) -> None:
    node, tun = place.node, place.tun
    address = getattr(node.pod1, pod)

    with node.counted() as counted:
        tun.send(layer(src=peer, dst=address) / UDP(sport=5000, dport=80))
        asked = node.pod1.port.receive(lambda frame: UDP in frame)
        node.pod1.port.send(
            Ether(src=node.pod1.mac, dst=node.pod1.host_mac)
            / layer(src=address, dst=peer)
            / UDP(sport=80, dport=5000)
        )
        answer = tun.receive(lambda packet: UDP in packet)

    assert (asked[layer].src, asked[layer].dst) == (peer, address)
    assert sound(asked)
    assert (answer[layer].src, answer[layer].dst) == (address, peer)
    assert answer[layer].src != own
    assert counted[DropReason.FORWARDED, AttachPoint.FROM_UPLINK] == 1  # By the device.


@pytest.mark.parametrize("source", ["10.244.0.2", OWN_4, "127.0.0.1"])
def test_what_no_other_machine_can_send_is_dropped_there_too(place: Place, source: str) -> None:
    node, tun = place.node, place.tun

    with node.counted() as counted:
        tun.send(IP(src=source, dst=node.pod1.ipv4) / UDP(sport=1, dport=2))
        tun.send(IP(src=PEER_4, dst=node.pod1.ipv4) / UDP(sport=1, dport=3))
        got = node.pod1.port.receive(lambda frame: UDP in frame)

    assert got[UDP].dport == 3
    assert counted[DropReason.DROP_INVALID_SOURCE_IP, AttachPoint.FROM_UPLINK] == 1


def test_the_device_is_seen_to_run_the_pair_without_ethernet(place: Place) -> None:
    attached = place.node.datapath.attached()

    runs = {name: found.runs.role for name, found in attached.items() if found.runs}
    assert runs == {"eth1": DeviceRole.UPLINK, "tun0": DeviceRole.BARE_UPLINK}


def test_a_restarted_agent_takes_the_pair_over(place: Place) -> None:
    ifindex = place.node.namespace.ifindex("tun0")

    with Datapath.open(
        bpf_root=place.bpf_root,
        state_dir=place.state_dir,
        settings=DEFAULT_SETTINGS,
        attach_mode=place.node.datapath.attach_mode,
    ) as again:
        again.attach(ifindex=ifindex, device="tun0", role=DeviceRole.BARE_UPLINK)

        assert place.node.datapath.attached()["tun0"].current  # The same programs.
