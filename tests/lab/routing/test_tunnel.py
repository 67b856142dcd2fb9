"""Section 4 of the walk-through with routing-mode tunnel: pods' packets go inside VXLAN."""

import re

import pytest
from tests.lab.routing.facts import NODES, dropped, identity, ipcache, node_facts, other, routes
from tests.lab.routing.far import FAR, NODE_PORT, far_ips, service_ips
from tests.lab.walkthrough.capture import Capture
from tests.lab.walkthrough.exchange import ECHO_PORT, ask, echo
from tests.lab.walkthrough.place import (
    BEHIND_ROUTER,
    CONTROL_PLANE,
    INTERNET_IP,
    ROUTER_IP,
    WORKER,
    Place,
    client_in,
    in_url,
)
from tests.lab.walkthrough.test_dual_stack import ROUTER_IP6, WORLD, ip6

#: What tcpdump is to show: everything in the tunnel, and what should be in it.
WIRE = "udp port 8472 or net 10.244.0.0/16 or net fd00:10:244::/56"

FAMILIES = pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])


def source_of(place: Place, pod: str, family: int) -> str:
    """A pod's own address."""
    return ip6(place, pod) if family else str(place.pods[pod]["status"]["podIP"])


def test_agent_says_that_it_tunnels(tunnel: Place) -> None:
    printed = tunnel.on(CONTROL_PLANE, "cilium-dbg status")

    assert re.search(r"^Routing: +Network: Tunnel \[vxlan\] +Host: BPF$", printed, re.MULTILINE)
    assert re.search(r"^Controller Status: +(\d+)/\1 healthy$", printed, re.MULTILINE)


@pytest.mark.parametrize("node", NODES)
def test_no_way_into_the_tunnel_was_missing(tunnel: Place, node: str) -> None:
    """The reason is called a bug, so nothing that a node does by itself may be counted as one.

    This comes first: faults that follow are counted so, rightly.
    """
    reason = "No tunnel/encapsulation endpoint (datapath BUG!)"
    shown = tunnel.inside(node, "hubble", "observe", "--verdict", "DROPPED", "--last", "1000")

    assert [line for line in shown.splitlines() if reason in line] == []
    assert dropped(tunnel, node, reason) == 0


@FAMILIES
def test_pods_of_two_nodes_are_one_hop_apart(tunnel: Place, family: int) -> None:
    """The sender's node counts none: what it sends is inside the tunnel."""
    address = far_ips(tunnel)[family]

    printed = tunnel.typed(f"kubectl exec curl-pod -- ping -c 1 -W 3 {address}")

    assert " 0% packet loss" in printed
    assert " ttl=63 " in printed
    assert tunnel.ttl_from(source_of(tunnel, "curl-pod", family), asks=FAR) == 63


@pytest.mark.parametrize("node", NODES)
def test_routes_lead_to_the_routers_device(tunnel: Place, node: str) -> None:
    here, there = node_facts(tunnel, node), node_facts(tunnel, other(node))
    router, router6 = here.routers

    on_host = [line for line in routes(tunnel, node) if "cilium_host" in line]
    on_host6 = [line for line in routes(tunnel, node, "-6") if there.cidrs[1] in line]

    assert set(on_host) == {
        f"{router} dev cilium_host proto kernel scope link",
        f"{there.cidrs[0]} via {router} dev cilium_host proto kernel src {router} mtu 1450",
    }
    wanted = f"{there.cidrs[1]} dev cilium_host proto kernel src {router6} metric 1024 mtu 1450"
    assert on_host6 == [f"{wanted} pref medium"]


def test_pods_route_has_the_tunnels_mtu_and_its_device_the_networks(tunnel: Place) -> None:
    router, router6 = node_facts(tunnel, CONTROL_PLANE).routers

    default, *_ = routes(tunnel, "curl-pod")
    of_ipv6 = routes(tunnel, "curl-pod", "-6")

    assert default == f"default via {router} dev eth0 mtu 1450"
    assert f"default via {router6} dev eth0 metric 1024 mtu 1450 pref medium" in of_ipv6
    assert " mtu 1500 " in tunnel.inside("curl-pod", "ip", "link", "show", "dev", "eth0")


@FAMILIES
@pytest.mark.parametrize("node", NODES)
def test_vni_is_the_identity_of_the_sender(tunnel: Place, node: str, family: int) -> None:
    here, there = source_of(tunnel, "curl-pod", family), far_ips(tunnel)[family]
    one, two = (node_facts(tunnel, each).ips[0] for each in (CONTROL_PLANE, WORKER))
    kind = "IP6" if family else "IP"
    message = "ICMP6, echo" if family else "ICMP echo"

    with Capture.on(tunnel, node, "eth1", WIRE) as seen:
        tunnel.in_pod(f"ping -c 1 -W 3 -e 77 {there}")
        request, inner_request, reply, inner_reply = seen.until("echo reply")

    vnis = [identity(tunnel, pod) for pod in ("curl-pod", FAR)]
    assert re.fullmatch(rf"IP {one}\.\d+ > {two}\.8472: OTV, .*, instance {vnis[0]}", request), (
        request
    )
    assert re.fullmatch(rf"IP {two}\.\d+ > {one}\.8472: OTV, .*, instance {vnis[1]}", reply), reply
    assert inner_request.startswith(f"{kind} {here} > {there}: {message} request, id 77, seq 1")
    assert inner_reply.startswith(f"{kind} {there} > {here}: {message} reply, id 77, seq 1")


@FAMILIES
def test_no_pods_address_is_on_the_wire_outside_the_tunnel(tunnel: Place, family: int) -> None:
    there, service = far_ips(tunnel)[family], service_ips(tunnel)[family]

    with (
        echo(tunnel, FAR),
        Capture.on(tunnel, CONTROL_PLANE, "eth1", WIRE) as seen,
    ):
        for address in (there, service):
            assert tunnel.client_of(address) == source_of(tunnel, "curl-pod", family)
        assert tunnel.client_of(there, asks=CONTROL_PLANE)
        assert ask(tunnel, "curl-pod", there, ECHO_PORT, size=1000)["answer"] == 1000
        tunnel.in_pod(f"ping -c 1 -W 3 {there}")
        lines = seen.until("echo reply")

    around, inside = lines[::2], lines[1::2]
    assert [line for line in around if ".8472: OTV, flags [I]" not in line] == []
    assert [line for line in inside if "OTV" in line] == []


@FAMILIES
def test_service_with_a_backend_on_the_other_node_answers(tunnel: Place, family: int) -> None:
    address = service_ips(tunnel)[family]

    answer = tunnel.in_pod(f"curl -s -m 3 http://{in_url(address)}/")

    assert f"IP: {far_ips(tunnel)[family]}\n" in answer
    assert tunnel.client_of(address) == source_of(tunnel, "curl-pod", family)


@FAMILIES
def test_node_reaches_the_other_nodes_pod_and_is_its_router_there(
    tunnel: Place, family: int
) -> None:
    """The pod's answer is at its end where it leaves the tunnel: no hop is counted."""
    router, router_there = (node_facts(tunnel, node).routers[family] for node in NODES)
    here, there = source_of(tunnel, "curl-pod", family), far_ips(tunnel)[family]

    assert tunnel.client_of(there, asks=CONTROL_PLANE) == router
    service = in_url(service_ips(tunnel)[family])
    assert client_in(tunnel.on(CONTROL_PLANE, f"curl -s -m 3 http://{service}/")) == router
    assert tunnel.ttl_from(there, asks=CONTROL_PLANE) == 64
    assert tunnel.ttl_from(here, asks=WORKER) == 64
    with echo(tunnel, FAR) as clients:
        assert ask(tunnel, CONTROL_PLANE, there, ECHO_PORT, size=4000)["answer"] == 4000
    assert clients == [router]
    with echo(tunnel, "curl-pod") as clients:
        assert ask(tunnel, WORKER, here, ECHO_PORT, size=4000)["answer"] == 4000
    assert clients == [router_there]


@FAMILIES
def test_routers_addresses_answer_a_pod_of_the_other_node(tunnel: Place, family: int) -> None:
    router = node_facts(tunnel, WORKER).routers[family]

    assert tunnel.ttl_from(router) == 63
    assert tunnel.client_of(router) == source_of(tunnel, "curl-pod", family)


@FAMILIES
def test_pod_comes_to_the_other_node_with_its_nodes_address(tunnel: Place, family: int) -> None:
    """Not in the tunnel: that leads to pods."""
    here, there = (node_facts(tunnel, node).ips[family] for node in NODES)

    assert tunnel.client_of(there) == here
    assert tunnel.ttl_from(there) == 63
    assert tunnel.client_of(here) == source_of(tunnel, "curl-pod", family)


def test_world_sees_the_nodes_address_as_without_a_tunnel(tunnel: Place) -> None:
    node = node_facts(tunnel, CONTROL_PLANE).ips[0]

    for address in (ROUTER_IP, *BEHIND_ROUTER):
        assert tunnel.client_of(address) == node
    assert tunnel.client_of(INTERNET_IP) == "10.0.2.15"
    for address, source in WORLD:
        assert tunnel.client_of(address) == source


@FAMILIES
def test_node_port_serves_on_the_node_without_the_backend_too(tunnel: Place, family: int) -> None:
    """What the node passes on has its router's address: the answer comes back in the tunnel."""
    here, there = (node_facts(tunnel, node) for node in NODES)
    client = (ROUTER_IP, ROUTER_IP6)[family]

    def seen_by_backend(node_ip: str) -> str:
        url = f"http://{in_url(node_ip)}:{NODE_PORT}/"
        return client_in(tunnel.inside("router", "curl", "-s", "-m", "3", url))

    assert seen_by_backend(here.ips[family]) == here.routers[family]
    assert seen_by_backend(there.ips[family]) == client


@pytest.mark.parametrize("node", NODES)
def test_map_of_addresses_says_what_the_tunnel_leads_to(tunnel: Place, node: str) -> None:
    own, away = node_facts(tunnel, node), node_facts(tunnel, other(node))
    listed = ipcache(tunnel, node)
    pods = {name: tunnel.connected_to(each) for name, each in (("own", node), ("away", away.name))}

    ways = {}
    for prefix, text in listed.items():
        end, flags = re.findall(r"tunnelendpoint=(\S+) flags=(\S+)", text)[0]
        ways[prefix] = (end, flags)

    tunnelled = [*away.cidrs, f"{away.routers[0]}/32", f"{away.routers[1]}/128"]
    tunnelled += [f"{ip}/32" for ip in pods["away"].values()]
    assert {ways[prefix] for prefix in tunnelled} == {(away.ips[0], "hastunnel")}
    untunnelled = [*own.cidrs, *(f"{ip}/32" for ip in (*pods["own"].values(), *away.ips[:1]))]
    assert {ways[prefix][1] for prefix in untunnelled} == {"<none>"}
    assert f"identity={identity(tunnel, FAR)} " in listed[f"{far_ips(tunnel)[0]}/32"]
