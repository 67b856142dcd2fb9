"""`ciliate doctor mtu` in a lab: links that swallow large packets, made for real, and such that do not."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from tests.deadlines import stretch
from tests.lab.cluster import Cluster, Done, ciliate, eventually
from tests.lab.faulty_node import fault_lab

NODES: Final = ("k8s-ctr", "k8s-w1", "k8s-w2")
V4: Final = dict(zip(NODES, ("192.168.10.100", "192.168.10.101", "192.168.10.102"), strict=True))
V6: Final = {node: f"fd00:192:168:10::{ip.rpartition('.')[2]}" for node, ip in V4.items()}

#: What the command promises, also for 50 nodes.
WITHIN_S: Final = 30.0


@pytest.fixture(scope="module")
def lab() -> Iterator[Cluster]:
    with fault_lab("mtu", "--nodes", "3", "--dual-stack") as started:
        yield started


def doctor(lab: Cluster, *words: str) -> Done:
    kubeconfig = str(lab.folder / "kubeconfig")
    return ciliate("doctor", "mtu", "--kubeconfig", kubeconfig, *words, check=False)


def examined(lab: Cluster, *words: str, exit_code: int) -> Any:
    done = doctor(lab, *words, "-o", "json")
    assert done.returncode == exit_code, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["seconds"] < WITHIN_S * stretch()
    return report


def pair(report: Any, one: str, other: str, family: int) -> Any:
    (found,) = (
        each
        for each in report["pairs"]
        if each["nodes"] == sorted((one, other)) and each["family"] == family
    )
    return found


def findings(report: Any, *kinds: str) -> list[Any]:
    return [each for each in report["findings"] if not kinds or each["kind"] in kinds]


@contextmanager
def switch_drops(lab: Cluster, *rules: str) -> Iterator[None]:
    """The switch drops what one of these says, and says nothing."""
    lab.exec("switch", "nft", "add table bridge holes")
    try:
        hook = "{ type filter hook forward priority 0; }"
        lab.exec("switch", "nft", f"add chain bridge holes forward {hook}")
        for rule in rules:
            lab.exec("switch", "nft", f"add rule bridge holes forward {rule} drop")
        yield
    finally:
        lab.exec("switch", "nft", "delete table bridge holes")


def test_where_full_size_passes_all_is_well(lab: Cluster) -> None:
    report = examined(lab, exit_code=0)

    assert (report["verdict"], report["findings"], report["unanswered"]) == ("well", [], {})
    assert report["nodes"] == list(NODES)
    assert [(p["status"], p["assumed"], p["passes"]) for p in report["pairs"]] == [
        ("passes", 1500, 1500)
    ] * 6
    shown = doctor(lab, "--all-pairs")
    assert shown.returncode == 0
    assert shown.stdout.splitlines()[-1] == (
        "No black hole: full size passes between 3 nodes; 6 of 6 pairs probed, IPv4 and IPv6."
    )


def test_black_hole_of_a_pair_is_found_with_its_size_and_direction(lab: Cluster) -> None:
    both = "ip saddr {%s, %s} ip daddr {%s, %s} ip length > 1400" % (  # noqa: UP031 - sets in braces.
        *(V4["k8s-w1"], V4["k8s-w2"]) * 2,
    )
    # The length of IPv6 is what stands behind its header of 40.
    one_way = f"ip6 saddr {V6['k8s-ctr']} ip6 daddr {V6['k8s-w2']} ip6 length > {1333 - 40}"
    with switch_drops(lab, both, one_way):
        report = examined(lab, exit_code=1)
        shown = doctor(lab)

    assert report["verdict"] == "black-hole"
    v4, v6 = findings(report)
    assert (v4["kind"], v4["nodes"], v4["family"]) == ("pair-path", ["k8s-w1", "k8s-w2"], 4)
    assert (v4["passes"], v4["assumed"]) == (1400, 1500)
    assert v4["lost_towards"] == ["k8s-w1", "k8s-w2"]
    assert (v6["kind"], v6["nodes"], v6["family"]) == ("pair-path", ["k8s-ctr", "k8s-w2"], 6)
    assert (v6["passes"], v6["assumed"], v6["lost_towards"]) == (1333, 1500, ["k8s-w2"])
    assert "--set MTU=1333" in v4["remedy"]
    assert pair(report, "k8s-ctr", "k8s-w1", 4)["status"] == "passes"
    assert shown.returncode == 1
    assert "from k8s-ctr to k8s-w2, and nothing says so" in shown.stdout
    assert shown.stdout.splitlines()[-1].startswith(
        "Black hole: between k8s-w1 and k8s-w2, IPv4: 1400"
    )


@contextmanager
def tracked_connections(lab: Cluster) -> Iterator[None]:
    """Each node's stack tracks connections, and so puts datagrams together before it looks at them."""
    hooks = ("prerouting", "output")
    try:
        for node in NODES:
            lab.exec(node, "nft", "add table inet tracking")
            for hook in hooks:
                chain = f"{hook} {{ type filter hook {hook} priority 0; }}"
                lab.exec(node, "nft", f"add chain inet tracking {chain}")
                lab.exec(node, "nft", f"add rule inet tracking {hook} ct state new counter")
        yield
    finally:
        for node in NODES:
            lab.exec(node, "nft", "delete table inet tracking", check=False)


def test_direction_is_seen_where_connections_are_tracked_as_well(lab: Cluster) -> None:
    v4 = f"ip saddr {V4['k8s-w1']} ip daddr {V4['k8s-w2']} ip length > 1400"
    v6 = f"ip6 saddr {V6['k8s-w1']} ip6 daddr {V6['k8s-w2']} ip6 length > 1360"
    with tracked_connections(lab), switch_drops(lab, v4, v6):
        report = examined(lab, "k8s-w1", "k8s-w2", exit_code=1)

    for family in (4, 6):
        found = pair(report, "k8s-w1", "k8s-w2", family)
        assert (found["passes"], found["lost_towards"]) == (1400, ["k8s-w2"]), found


def test_faulty_link_of_one_node_is_told_from_that_of_a_pair(lab: Cluster) -> None:
    # The switch's ports are called like the machines that they lead to.
    with switch_drops(lab, 'oifname "k8s-w1" ip length > 1450'):
        report = examined(lab, exit_code=1)

    (found,) = findings(report)
    assert (found["kind"], found["nodes"]) == ("node-link", ["k8s-w1"])
    assert found["others"] == ["k8s-ctr", "k8s-w2"]
    assert (found["passes"], found["lost_towards"]) == (1450, ["k8s-w1"])


def test_size_that_is_asked_for_is_judged_and_not_the_routes(lab: Cluster) -> None:
    with switch_drops(lab, "ip length > 1400"):
        below = examined(lab, "--size", "1400", exit_code=0)
        above = examined(lab, "k8s-w1", "k8s-w2", "--size", "1401", exit_code=1)

    assert {each["passes"] for each in below["pairs"]} == {1400}
    assert pair(above, "k8s-w1", "k8s-w2", 4)["passes"] == 1400
    assert {tuple(each["nodes"]) for each in above["pairs"]} == {("k8s-w1", "k8s-w2")}


@contextmanager
def way_by_the_router(lab: Cluster, mtu: int) -> Iterator[None]:
    """Packets of k8s-w1 to k8s-w2 go by the router, whose route there has this MTU."""
    lab.exec("router", "sysctl", "-qw", "net.ipv4.conf.all.send_redirects=0")
    lab.exec("router", "sysctl", "-qw", "net.ipv4.conf.eth1.send_redirects=0")
    there = f"{V4['k8s-w2']}/32"
    lab.exec("router", "ip", "route", "add", there, "dev", "eth1", "mtu", str(mtu))
    lab.exec("k8s-w1", "ip", "route", "add", there, "via", "192.168.10.200")
    try:
        yield
    finally:
        lab.exec("k8s-w1", "ip", "route", "del", there)
        lab.exec("router", "ip", "route", "del", there)


def test_router_that_tells_its_mtu_is_no_black_hole(lab: Cluster) -> None:
    with way_by_the_router(lab, 1380):
        report = examined(lab, exit_code=0)

    assert report["verdict"] == "well"
    found = pair(report, "k8s-w1", "k8s-w2", 4)
    assert (found["status"], found["assumed"], found["passes"]) == ("smaller", 1500, 1380)
    assert (found["told"], found["told_by"]) == (1380, "192.168.10.200")
    (note,) = findings(report)
    assert (note["kind"], note["severity"]) == ("smaller-path", "note")


def test_black_hole_behind_a_router_that_tells_its_mtu_is_found(lab: Cluster) -> None:
    hole = f"ip saddr {V4['k8s-w1']} ip daddr {V4['k8s-w2']} ip length > 1300"
    with way_by_the_router(lab, 1380), switch_drops(lab, f'oifname "k8s-w2" {hole}'):
        report = examined(lab, exit_code=1)

    found = pair(report, "k8s-w1", "k8s-w2", 4)
    assert (found["status"], found["passes"], found["told"]) == ("black-hole", 1300, 1380)
    assert found["lost_towards"] == ["k8s-w2"]


def test_own_packet_filter_of_a_node_is_named(lab: Cluster) -> None:
    hook = "{ type filter hook output priority 0; }"
    lab.exec("k8s-w1", "nft", "add table ip holes")
    try:
        lab.exec("k8s-w1", "nft", f"add chain ip holes out {hook}")
        rule = f"ip daddr {V4['k8s-w2']} icmp type echo-request ip length > 1200 drop"
        lab.exec("k8s-w1", "nft", f"add rule ip holes out {rule}")
        report = examined(lab, exit_code=1)
    finally:
        lab.exec("k8s-w1", "nft", "delete table ip holes")

    (found,) = findings(report)
    assert found["nodes"] == ["k8s-w1", "k8s-w2"]
    assert found["passes"] == 1200
    assert "packet filter of k8s-w1" in found["says"]


def test_larger_mtu_of_one_node_is_told_with_what_it_loses(lab: Cluster) -> None:
    lab.exec("k8s-w1", "ip", "link", "set", "eth1", "mtu", "2000")
    try:
        report = examined(lab, exit_code=1)
    finally:
        lab.exec("k8s-w1", "ip", "link", "set", "eth1", "mtu", "1500")

    kinds = {each["kind"]: each for each in findings(report)}
    assert kinds["unequal-mtu"]["nodes"] == ["k8s-w1"]
    assert kinds["unequal-mtu"]["assumed"] == 1500
    assert kinds["node-link"]["nodes"] == ["k8s-w1"]
    assert (kinds["node-link"]["passes"], kinds["node-link"]["assumed"]) == (1500, 2000)


def test_node_without_echoes_is_told_and_hides_no_other(lab: Cluster) -> None:
    own = V4["k8s-w2"]
    asking = f"ip saddr {own} icmp type echo-request"
    with switch_drops(lab, f"ip daddr {own} icmp type echo-request"):
        asks_itself = examined(lab, exit_code=0)
    with switch_drops(lab, f"ip daddr {own} icmp type echo-request", asking):
        report = examined(lab, exit_code=2)

    # It has answers of others, which show the way in both directions.
    assert pair(asks_itself, "k8s-w1", "k8s-w2", 4)["status"] == "passes"
    assert report["verdict"] == "incomplete"
    assert pair(report, "k8s-w1", "k8s-w2", 4)["status"] == "silent"
    assert pair(report, "k8s-w1", "k8s-w2", 6)["status"] == "passes"
    assert pair(report, "k8s-ctr", "k8s-w1", 4)["status"] == "passes"
    (found,) = findings(report)
    assert (found["kind"], found["nodes"], found["family"]) == ("no-echo", ["k8s-w2"], 4)


def test_unknown_node_and_wrong_size_are_refused_by_name(lab: Cluster) -> None:
    unknown = doctor(lab, "k8s-w4")
    wrong = doctor(lab, "--size", "20")

    assert (unknown.returncode, wrong.returncode) == (2, 2)
    assert "there is no node 'k8s-w4'" in unknown.stderr
    assert "k8s-ctr, k8s-w1, k8s-w2" in unknown.stderr
    assert "20" in wrong.stderr


def test_node_without_agent_is_a_line_of_its_own(lab: Cluster) -> None:
    elsewhere = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "NotIn"}]}
    elsewhere["matchExpressions"][0]["values"] = ["k8s-w2"]  # type: ignore[assignment]
    term = {"nodeSelectorTerms": [elsewhere]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term}}
    patch = {"spec": {"template": {"spec": {"affinity": affinity}}}}
    agents = ("-n", "kube-system", "-l", "k8s-app=cilium", "-o", "name")
    lab.kubectl("-n", "kube-system", "patch", "ds/cilium", "-p", json.dumps(patch))
    eventually(lambda: len(lab.kubectl("get", "pod", *agents).split()) == 2, within_s=30)
    with switch_drops(lab, f"ip saddr {V4['k8s-w1']} ip daddr {V4['k8s-w2']} ip length > 1400"):
        done = doctor(lab, "-o", "json")

    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert list(report["unanswered"]) == ["k8s-w2"]
    found = pair(report, "k8s-w1", "k8s-w2", 4)
    assert (found["status"], found["passes"], found["lost_towards"]) == (
        "black-hole",
        1400,
        ["k8s-w2"],
    )
