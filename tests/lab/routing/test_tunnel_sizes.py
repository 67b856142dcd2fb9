"""What fits into the tunnel: pods know it, or learn it, and what is larger goes in pieces."""

import pytest
from tests.lab.routing.facts import identity
from tests.lab.routing.far import FAR, far_ips
from tests.lab.routing.test_tunnel import FAMILIES, source_of
from tests.lab.routing.transfers import exchange, of_no_mtu, returning
from tests.lab.walkthrough.capture import Capture
from tests.lab.walkthrough.exchange import ECHO_PORT, ask, echo
from tests.lab.walkthrough.place import CONTROL_PLANE, Place

#: Payload of the largest echo request that fits into the tunnel: 1450 less both headers.
LARGEST = (1450 - 20 - 8, 1450 - 40 - 8)

#: How ping says that its own kernel refuses, and that a node did.
REFUSED = ("ping: local error: message too long, mtu=1450", "mtu: 1450")
LEARNED = ("Frag needed and DF set (mtu = 1450)", "Packet too big: mtu=1450")


def ping(place: Place, address: str, size: int, *, count: int = 1) -> str:
    """What a ping that must not be fragmented prints, wherever it does."""
    words = f"ping -c {count} -i 0.2 -W 2 -M do -s {size} {address} 2>&1"
    return place.inside("curl-pod", "sh", "-c", words, check=False)


@FAMILIES
def test_five_megabytes_go_there_and_back(tunnel: Place, family: int) -> None:
    with returning(tunnel, FAR):
        found = exchange(tunnel, "curl-pod", far_ips(tunnel)[family])
    with returning(tunnel, "curl-pod"):
        other_way = exchange(tunnel, FAR, source_of(tunnel, "curl-pod", family))

    assert found["same"]
    assert other_way["same"]
    # What fits without a timestamp, 12 bytes; the kernel counts them out.
    assert found["mss"] == 1450 - (40 if family == 0 else 60) - 12


@FAMILIES
@pytest.mark.parametrize("size", [4000, 60_000])
def test_large_datagram_arrives_in_pieces(tunnel: Place, family: int, size: int) -> None:
    with echo(tunnel, FAR) as clients:
        answer = ask(tunnel, "curl-pod", far_ips(tunnel)[family], ECHO_PORT, size=size)

    assert answer["answer"] == size
    assert clients == [source_of(tunnel, "curl-pod", family)]


def test_pieces_are_whole_inside_the_tunnel(tunnel: Place) -> None:
    """The pod's kernel cuts by its route: no packet around is cut."""
    with (
        echo(tunnel, FAR),
        Capture.on(
            tunnel,
            CONTROL_PLANE,
            "eth1",
            "ip",
            "src",
            "host",
            "192.168.10.100",
            "and",
            "not",
            "tcp",
        ) as seen,
    ):
        ask(tunnel, "curl-pod", far_ips(tunnel)[0], ECHO_PORT, size=4000)
        tunnel.in_pod(f"ping -c 1 -W 3 {far_ips(tunnel)[0]}")
        lines = seen.until("echo request")

    around = [line for line in lines if "OTV" in line]
    assert len(around) == 3 + 1
    assert all(f"instance {identity(tunnel, 'curl-pod')}" in line for line in around)


@FAMILIES
def test_largest_packet_passes_and_a_larger_one_is_refused_in_the_pod(
    tunnel: Place, family: int
) -> None:
    address = far_ips(tunnel)[family]

    passed, refused = (ping(tunnel, address, LARGEST[family] + more) for more in (0, 1))

    assert " 0% packet loss" in passed
    assert REFUSED[family] in refused


@FAMILIES
def test_pod_that_does_not_know_learns_it(tunnel: Place, family: int) -> None:
    address = far_ips(tunnel)[family]

    with of_no_mtu(tunnel, "curl-pod"):
        printed = ping(tunnel, address, LARGEST[family] + 1, count=2)
        shown = tunnel.inside("curl-pod", "ip", "route", "get", address)
        passed = ping(tunnel, address, LARGEST[family])

    first, second = LEARNED[family], REFUSED[family]
    assert first in printed
    assert second in printed
    assert "mtu 1450" in shown
    assert " 0% packet loss" in passed


@FAMILIES
def test_connection_of_pods_that_do_not_know_goes_on(tunnel: Place, family: int) -> None:
    """Neither end has said less than the network takes: both learn it while they send."""
    with of_no_mtu(tunnel, "curl-pod", FAR), returning(tunnel, FAR):
        found = exchange(tunnel, "curl-pod", far_ips(tunnel)[family])
        with_node = exchange(tunnel, CONTROL_PLANE, far_ips(tunnel)[family])

    assert found["same"]
    assert found["mss"] == 1450 - (40 if family == 0 else 60) - 12
    assert found["took_s"] < 5
    assert with_node["same"]


@FAMILIES
def test_datagrams_of_a_pod_that_does_not_know_go_in_pieces(tunnel: Place, family: int) -> None:
    """One that fits the network and not the tunnel: IPv4's are cut on the way, IPv6's by the pod."""
    address = far_ips(tunnel)[family]

    with of_no_mtu(tunnel, "curl-pod"), echo(tunnel, FAR) as clients:
        if family:
            ping(tunnel, address, LARGEST[family] + 1)
        answer = ask(tunnel, "curl-pod", address, ECHO_PORT, size=1440)

    assert answer["answer"] == 1440
    assert clients == [source_of(tunnel, "curl-pod", family)]
