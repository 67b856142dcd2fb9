from pathlib import Path

from ciliate.lab import links
from ciliate.lab.topology import Role, default_machines, node

PINS = Path("/labs/x")


def test_node_gets_the_walkthroughs_links_addresses_and_routes() -> None:
    words = links.machine_words(node(1), dual_stack=False, pins=PINS)

    assert words == [
        "link set lo up",
        "link add eth0 index 2 type veth peer name k8s-w1 index 1001 netns /labs/x/internet/ns/net",
        "link set eth0 up",
        "link add eth1 index 3 type veth peer name k8s-w1 index 1001 netns /labs/x/switch/ns/net",
        "link set eth1 up",
        "addr add 10.0.2.15/24 dev eth0 metric 100",
        "addr add 192.168.10.101/24 dev eth1",
        "route add default via 10.0.2.2 dev eth0 proto dhcp src 10.0.2.15 metric 100",
        "route add 10.10.0.0/16 via 192.168.10.200 dev eth1 proto static",
        "route add unreachable 10.96.0.0/16 proto static",
    ]


def test_router_has_no_route_to_pods_or_behind_itself() -> None:
    router = next(m for m in default_machines(2) if m.role is Role.ROUTER)

    words = links.machine_words(router, dual_stack=False, pins=PINS)

    assert [line for line in words if line.startswith("route")] == [
        "route add default via 10.0.2.2 dev eth0 proto dhcp src 10.0.2.15 metric 100"
    ]


def test_both_ends_of_every_wire_have_different_interface_numbers() -> None:
    """The kernel would hold the carrier's news back for up to a second."""
    for machine in default_machines(100)[2:]:
        for line in links.machine_words(machine, dual_stack=False, pins=PINS):
            if "type veth" in line:
                words = line.split()
                first, second = (words[n + 1] for n, w in enumerate(words) if w == "index")
                assert first != second


def test_internet_answers_by_the_link_a_question_came_on() -> None:
    assert links.internet_words(node(1), dual_stack=False) == [
        "link set k8s-w1 up",
        "addr add 10.0.2.2/24 dev k8s-w1",
        "route add 10.0.2.0/24 dev k8s-w1 src 10.0.2.2 table 1001",
    ]
    assert links.internet_rules(node(1), add=True) == [
        "rule add fwmark 1001 table 1001 priority 1001"
    ]
    assert links.internet_marks([node(0), node(1)]) == (
        'add element inet links marks { "k8s-ctr" : 1000, "k8s-w1" : 1001 }\n'
    )


def test_ipv6_addresses_are_usable_at_once() -> None:
    words = links.machine_words(node(0), dual_stack=True, pins=PINS)

    assert "addr add fd00:192:168:10::100/64 dev eth1 nodad" in words
    assert "route add fd00:10:10::/48 via fd00:192:168:10::200 dev eth1 proto static" in words
    assert "route add unreachable fd00:10:96::/112 proto static" in words
