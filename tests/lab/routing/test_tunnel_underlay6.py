"""The tunnel between the nodes' IPv6 addresses: pods of both families are in it."""

import re
from collections.abc import Iterator

import pytest
from tests.lab.cluster import eventually
from tests.lab.routing.checksums import checksums_filled_in
from tests.lab.routing.conftest import TUNNEL
from tests.lab.routing.facts import NODES, dropped, identity, ipcache, node_facts, other, routes
from tests.lab.routing.far import FAR, NODE_PORT, apply_far, far_ips, service_ips
from tests.lab.routing.forged import send_datagram
from tests.lab.routing.test_tunnel import FAMILIES, WIRE, source_of
from tests.lab.routing.test_tunnel_sizes import ping
from tests.lab.routing.transfers import exchange, returning
from tests.lab.walkthrough.capture import Capture
from tests.lab.walkthrough.exchange import ECHO_PORT, ask, echo
from tests.lab.walkthrough.place import CONTROL_PLANE, WORKER, Place, client_in, in_url, place

#: 1500 less 40 of IPv6, 8 of UDP, 8 of VXLAN and 14 of Ethernet.
MTU = 1430


@pytest.fixture(scope="module")
def tunnel6() -> Iterator[Place]:
    with place("tunnel6", *TUNNEL, "--set", "underlayProtocol=ipv6") as found:
        apply_far(found)
        eventually(lambda: FAR in found.typed("kubectl get cep"), what="the pod's endpoint")
        yield found


@pytest.mark.parametrize("node", NODES)
def test_routes_have_the_smaller_mtu(tunnel6: Place, node: str) -> None:
    here, there = node_facts(tunnel6, node), node_facts(tunnel6, other(node))
    router, router6 = here.routers

    assert (
        f"{there.cidrs[0]} via {router} dev cilium_host proto kernel src {router} mtu {MTU}"
        in routes(tunnel6, node)
    )
    assert (
        f"{there.cidrs[1]} dev cilium_host proto kernel src {router6} metric 1024 mtu {MTU}"
        " pref medium"
    ) in routes(tunnel6, node, "-6")


def test_pods_routes_have_it_too_and_its_device_has_not(tunnel6: Place) -> None:
    router, router6 = node_facts(tunnel6, CONTROL_PLANE).routers

    assert routes(tunnel6, "curl-pod")[0] == f"default via {router} dev eth0 mtu {MTU}"
    of_ipv6 = routes(tunnel6, "curl-pod", "-6")
    assert f"default via {router6} dev eth0 metric 1024 mtu {MTU} pref medium" in of_ipv6
    assert " mtu 1500 " in tunnel6.inside("curl-pod", "ip", "link", "show", "dev", "eth0")


@FAMILIES
def test_packets_around_are_ipv6_whatever_is_inside(tunnel6: Place, family: int) -> None:
    here, there = source_of(tunnel6, "curl-pod", family), far_ips(tunnel6)[family]
    one, two = (node_facts(tunnel6, node).ips[1] for node in NODES)

    with Capture.on(tunnel6, CONTROL_PLANE, "eth1", WIRE) as seen:
        tunnel6.in_pod(f"ping -c 1 -W 3 -e 77 {there}")
        request, inner_request, reply, inner_reply = seen.until("echo reply")

    vnis = [identity(tunnel6, pod) for pod in ("curl-pod", FAR)]
    assert re.fullmatch(rf"IP6 {one}\.\d+ > {two}\.8472: OTV, .*, instance {vnis[0]}", request), (
        request
    )
    assert re.fullmatch(rf"IP6 {two}\.\d+ > {one}\.8472: OTV, .*, instance {vnis[1]}", reply), (
        reply
    )
    kind = "IP6" if family else "IP"
    assert inner_request.startswith(f"{kind} {here} > {there}: ")
    assert inner_reply.startswith(f"{kind} {there} > {here}: ")


@FAMILIES
def test_checksums_around_and_inside_are_right(tunnel6: Place, family: int) -> None:
    """What RFC 8200 demands of UDP; of connections, datagrams and what is too long for one packet."""
    there = far_ips(tunnel6)[family]
    with (
        checksums_filled_in(tunnel6, *NODES),
        echo(tunnel6, FAR),
        Capture.on(tunnel6, CONTROL_PLANE, "eth1", "-vv", "udp port 8472") as seen,
    ):
        assert tunnel6.client_of(there)
        assert tunnel6.client_of(there, asks=CONTROL_PLANE)
        assert ask(tunnel6, "curl-pod", there, ECHO_PORT, size=2000)["answer"] == 2000
        tunnel6.in_pod(f"ping -c 1 -W 3 {there}")
        lines = seen.until("echo reply")

    around = [line for line in lines if ".8472: " in line]
    assert len(around) > 20
    assert [line for line in around if "[udp sum ok]" not in line] == []
    assert [line for line in lines if "incorrect" in line or "bad" in line] == []


@FAMILIES
def test_pods_services_and_nodes_reach_the_other_nodes_pod(tunnel6: Place, family: int) -> None:
    own, there = source_of(tunnel6, "curl-pod", family), far_ips(tunnel6)[family]
    here, away = (node_facts(tunnel6, node) for node in NODES)

    assert tunnel6.client_of(there) == own
    assert tunnel6.ttl_from(there) == 63
    assert tunnel6.client_of(service_ips(tunnel6)[family]) == own
    assert tunnel6.client_of(there, asks=CONTROL_PLANE) == here.routers[family]
    assert tunnel6.ttl_from(own, asks=WORKER) == 64
    assert tunnel6.client_of(away.ips[family]) == here.ips[family]


@FAMILIES
def test_node_port_serves_on_the_node_without_the_backend(tunnel6: Place, family: int) -> None:
    here = node_facts(tunnel6, CONTROL_PLANE)
    url = f"http://{in_url(here.ips[family])}:{NODE_PORT}/"

    seen = client_in(tunnel6.inside("router", "curl", "-s", "-m", "3", url))

    assert seen == here.routers[family]


@FAMILIES
def test_large_and_long_things_pass(tunnel6: Place, family: int) -> None:
    there = far_ips(tunnel6)[family]
    largest = MTU - (40 if family else 20) - 8

    with returning(tunnel6, FAR), echo(tunnel6, FAR):
        found = exchange(tunnel6, "curl-pod", there)
        datagram = ask(tunnel6, "curl-pod", there, ECHO_PORT, size=4000)

    assert found["same"]
    assert datagram["answer"] == 4000
    assert " 0% packet loss" in ping(tunnel6, there, largest)
    assert "ping: local error: message too long" in ping(tunnel6, there, largest + 1)


@pytest.mark.parametrize("node", NODES)
def test_map_of_addresses_has_ends_of_ipv6(tunnel6: Place, node: str) -> None:
    away = node_facts(tunnel6, other(node))
    known = ipcache(tunnel6, node)

    for prefix in (*away.cidrs, f"{away.routers[0]}/32", f"{away.routers[1]}/128"):
        end = f" tunnelendpoint={away.ips[1]} flags=hastunnel,ipv6tunnel"
        assert known[prefix].endswith(end), prefix


@FAMILIES
def test_pod_may_not_send_to_the_tunnels_port_of_a_node(tunnel6: Place, family: int) -> None:
    reason = "Encapsulation traffic is prohibited"
    before = dropped(tunnel6, CONTROL_PLANE, reason)

    send_datagram(tunnel6, "curl-pod", node_facts(tunnel6, WORKER).ips[family])

    eventually(lambda: dropped(tunnel6, CONTROL_PLANE, reason) == before + 1, what="a drop")
