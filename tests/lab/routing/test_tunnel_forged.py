"""Nobody but nodes sends through the tunnel: neither machines beside them, nor pods."""

import pytest
from tests.lab.cluster import eventually
from tests.lab.routing.facts import NODES, dropped, identity, node_facts
from tests.lab.routing.far import FAR, far_ips
from tests.lab.routing.forged import INNER_PORT, TUNNEL_PORT, send_datagram, send_vxlan
from tests.lab.routing.test_tunnel import FAMILIES
from tests.lab.walkthrough.capture import Capture
from tests.lab.walkthrough.place import CONTROL_PLANE, ROUTER_IP, WORKER, Place


def sees_forged(place: Place, machine: str, outer: str, inner: str) -> bool:
    """Whether the pod `far` sees a packet that is sent to its node inside the tunnel."""
    there = far_ips(place)[0]
    node_ip = node_facts(place, WORKER).ips[0]
    vni = identity(place, "curl-pod")
    with Capture.on(place, FAR, "eth0", f"udp port {INNER_PORT} or icmp") as seen:
        send_vxlan(place, machine, outer=(outer, node_ip), inner=(inner, there), vni=vni)
        # What was sent later and has arrived shows that the former will not.
        place.inside("curl-pod", "ping", "-c", "1", "-W", "3", there)
        lines = seen.until("echo reply")
    return any(f".{INNER_PORT}:" in line for line in lines)


def test_packet_of_another_node_arrives(tunnel: Place) -> None:
    """The tests below would pass if such packets were of a wrong form."""
    node_ip = node_facts(tunnel, CONTROL_PLANE).ips[0]

    assert sees_forged(tunnel, CONTROL_PLANE, node_ip, tunnel.curl_ip)


@pytest.mark.parametrize("outer", [ROUTER_IP, "192.168.10.77", "203.0.113.77"])
@pytest.mark.parametrize("inner", ["curl-pod", "host", "world"])
def test_packet_of_a_machine_that_is_no_node_reaches_nobody_and_is_counted(
    tunnel: Place, outer: str, inner: str
) -> None:
    claimed = {
        "curl-pod": tunnel.curl_ip,
        "host": node_facts(tunnel, CONTROL_PLANE).routers[0],
        "world": "198.51.100.1",
    }[inner]
    before = dropped(tunnel, WORKER, "Unknown sender")

    assert not sees_forged(tunnel, "router", outer, claimed)
    eventually(
        lambda: dropped(tunnel, WORKER, "Unknown sender") == before + 1, what="a drop counted"
    )


def test_node_does_not_speak_for_another_nodes_address_or_as_its_host(tunnel: Place) -> None:
    """What a node may say of itself: its router's address is its own, the other's is not."""
    node_ip = node_facts(tunnel, CONTROL_PLANE).ips[0]
    before = dropped(tunnel, WORKER, "Invalid source ip")

    assert not sees_forged(tunnel, CONTROL_PLANE, node_ip, node_facts(tunnel, WORKER).routers[0])
    eventually(
        lambda: dropped(tunnel, WORKER, "Invalid source ip") > before, what="a drop counted"
    )
    assert sees_forged(
        tunnel, CONTROL_PLANE, node_ip, node_facts(tunnel, CONTROL_PLANE).routers[0]
    )


@FAMILIES
@pytest.mark.parametrize("to", ["InternalIP", "router"])
@pytest.mark.parametrize("node", NODES)
def test_pod_may_not_send_to_the_tunnels_port_of_a_node(
    tunnel: Place, node: str, to: str, family: int
) -> None:
    facts = node_facts(tunnel, node)
    address = (facts.ips if to == "InternalIP" else facts.routers)[family]
    reason = "Encapsulation traffic is prohibited"
    before = dropped(tunnel, CONTROL_PLANE, reason)

    send_datagram(tunnel, "curl-pod", address)

    eventually(lambda: dropped(tunnel, CONTROL_PLANE, reason) == before + 1, what="a drop counted")


def test_pod_may_send_there_to_others_and_elsewhere_to_nodes(tunnel: Place) -> None:
    node_ip = node_facts(tunnel, WORKER).ips[0]
    reason = "Encapsulation traffic is prohibited"
    before = dropped(tunnel, CONTROL_PLANE, reason)

    with Capture.on(tunnel, "router", "eth1", f"udp port {TUNNEL_PORT}") as seen:
        send_datagram(tunnel, "curl-pod", ROUTER_IP)
        seen.until(f"> {ROUTER_IP}.{TUNNEL_PORT}")
    with Capture.on(tunnel, WORKER, "eth1", "udp port 8473") as there:
        send_datagram(tunnel, "curl-pod", node_ip, 8473)
        there.until(f"> {node_ip}.8473")

    assert dropped(tunnel, CONTROL_PLANE, reason) == before
