"""What people read."""

from ciliate.cli.path.model import (
    Finding,
    Journey,
    Manner,
    NodePath,
    NodeStep,
    NodeWay,
    NodeWays,
    PairsReport,
    PairVerdict,
    PathReport,
    Receipt,
    Step,
    Way,
)
from ciliate.cli.path.text import node_path_text, node_ways_text, pairs_text, report_text

STEPS = (
    NodeStep(node="a", at="lxc7", says="from_pod"),
    NodeStep(node="a", at="eth1", says="to_uplink"),
    NodeStep(node="b", at="eth1", says="from_uplink"),
)
THERE = Journey(sender="one", receiver="other", kind="VXLAN", steps=STEPS, mtu=1450)


def test_both_ways_with_each_node_named_once() -> None:
    back = Journey(sender="other", receiver="one", kind="VXLAN", steps=STEPS[:1], mtu=1450)

    shown = report_text(PathReport(pod="one", destination="other on b", there=THERE, back=back))

    assert shown == (
        "one to other on b: arrives\n\n"
        "  a  lxc7  from_pod\n"
        "     eth1  to_uplink\n"
        "  b  eth1  from_uplink\n\n"
        "and back, other to one: arrives\n\n"
        "  a  lxc7  from_pod\n\n"
        "Both ways by VXLAN: packets of up to 1450 bytes.\n"
    )


def test_finding_stands_with_its_remedy_and_no_agreement() -> None:
    finding = Finding(problem="eth1 is down", remedy="put it up")
    lost = Journey(sender="one", receiver="other", kind="nowhere", problem="eth1 is down")

    shown = report_text(PathReport(pod="one", destination="x", there=lost, findings=(finding,)))

    assert shown.startswith("one to x: does not arrive\n")
    assert shown.endswith("! eth1 is down\n  put it up\n")


def test_way_out_of_the_cluster_is_called_so() -> None:
    out = Journey(sender="one", receiver="x", kind="direct routes", leaves=True, mtu=1500)

    shown = report_text(PathReport(pod="one", destination="x", there=out, notes=("Behind it.",)))

    assert shown.startswith("one to x: leaves the cluster\n")
    assert shown.endswith(
        "The way is by direct routes: packets of up to 1500 bytes.\nBehind it.\n"
    )


def test_pairs_are_a_table_and_problems_stand_below() -> None:
    finding = Finding(problem="they differ", remedy="make them alike")
    pairs = (
        PairVerdict(nodes=("a", "b"), family=4, kind="VXLAN", mtu=1450),
        PairVerdict(nodes=("a", "c"), family=6, kind="", findings=(finding,)),
    )

    lines = pairs_text(PairsReport(pairs=pairs, problems={"d": "it has no pod"})).splitlines()

    assert [line.split() for line in lines[:3]] == [
        ["NODES", "FAMILY", "WAY", "MTU", "RESULT"],
        ["a", "-", "b", "IPv4", "VXLAN", "1450", "symmetric"],
        ["a", "-", "c", "IPv6", "-", "-", "they", "differ"],
    ]
    assert lines[3:] == ["! they differ", "  make them alike", "! agent of d: it has no pod"]


def test_nodes_part_is_out_and_what_comes_back() -> None:
    way = Way(
        destination="10.244.1.9",
        manner=Manner.TUNNEL,
        device="eth1",
        tunnel="vxlan:8472",
        steps=(Step(at="cilium_vxlan", says="VXLAN to b"),),
    )
    receipt = Receipt(
        sender="10.244.1.9",
        receiver="10.244.0.7",
        devices=("eth1",),
        tunnel="vxlan:8472",
        tunnel_device="cilium_vxlan",
        tunnel_ends=("192.168.10.100",),
        problem="lxc7 is down",
    )
    path = NodePath(node="a", pod="ns/one", address="10.244.0.7", departure=way, receipt=receipt)

    shown = node_path_text(path)

    assert "ns/one (10.244.0.7) on a to 10.244.1.9: in the tunnel, eth1\n" in shown
    assert "from_tunnel, what is sent in vxlan:8472 to 192.168.10.100" in shown
    assert shown.endswith("! lxc7 is down\n")


def test_nodes_ways_are_a_line_each() -> None:
    way = Way(destination="10.244.1.1", manner=Manner.NOWHERE, problem="no route")
    found = NodeWays(
        node="a",
        receipt=Receipt(sender="", receiver=""),
        ways=(NodeWay(cidr="10.244.1.0/24", node_address="192.168.10.101", way=way),),
    )

    (_, line) = node_ways_text(found).splitlines()

    assert line.split() == [
        "10.244.1.0/24",
        "192.168.10.101",
        "nowhere",
        "-",
        "-",
        "-",
        "no",
        "route",
    ]
