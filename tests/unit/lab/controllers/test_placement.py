from tests.unit.lab.controllers.pod_samples import node, pod

from ciliate.api.core import Taint
from ciliate.lab.controllers.placement import Placements
from ciliate.lab.objects import Json, Pod

HOSTNAME = "kubernetes.io/hostname"


def anti(app: str) -> Json:
    term = {
        "labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": [app]}]},
        "topologyKey": HOSTNAME,
    }
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def together(app: str) -> Json:
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": HOSTNAME}
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def web(name: str, where: str = "") -> Pod:
    return pod(name, where, labels={"app": "web"}, affinity=anti("web"))


def test_least_loaded_node_is_chosen() -> None:
    cluster = Placements([node("n1"), node("n2")], [pod("a", "n1")])

    assert cluster.place(pod("new")).node == "n2"


def test_first_node_by_name_breaks_ties() -> None:
    assert Placements([node("n2"), node("n1")], []).place(pod("new")).node == "n1"


def test_replicas_spread_before_load_counts() -> None:
    placed = [pod("x", "n1"), pod("y", "n1"), pod("r1", "n2", owner="rs")]

    assert Placements([node("n1"), node("n2")], placed).place(pod("r2", owner="rs")).node == "n1"


def test_assumed_pods_count() -> None:
    cluster = Placements([node("n1"), node("n2")], [])

    cluster.assume(pod("a"), "n1")

    assert cluster.place(pod("b")).node == "n2"


def test_unready_node_is_skipped_but_for_the_hosts_network() -> None:
    taint = Taint("node.kubernetes.io/not-ready", "NoSchedule")
    cluster = Placements([node("n1", ready=False, taints=(taint,))], [])

    placement = cluster.place(pod("a"))

    assert placement.node == ""
    assert placement.problem == (
        "0/1 nodes are available: "
        "1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }."
    )
    assert cluster.place(pod("b", host_network=True)).node == "n1"


def test_tolerated_taint_is_no_obstacle() -> None:
    cluster = Placements([node("n1", taints=(Taint("dedicated", "NoSchedule", "db"),))], [])
    right = {"key": "dedicated", "operator": "Equal", "value": "db", "effect": "NoSchedule"}

    assert cluster.place(pod("a")).node == ""
    assert cluster.place(pod("b", tolerations=({**right, "value": "x"},))).node == ""
    assert cluster.place(pod("c", tolerations=(right,))).node == "n1"
    assert cluster.place(pod("d", tolerations=({"operator": "Exists"},))).node == "n1"


def test_cordoned_node_takes_nothing() -> None:
    placement = Placements([node("n1", cordoned=True)], []).place(pod("a"))

    assert placement.problem == "0/1 nodes are available: 1 node(s) were unschedulable."


def test_full_node_takes_nothing() -> None:
    placement = Placements([node("n1", pods_max=1)], [pod("a", "n1")]).place(pod("b"))

    assert placement.problem == "0/1 nodes are available: 1 Too many pods."


def test_node_selector_and_affinity_choose() -> None:
    cluster = Placements([node("n1"), node("n2", labels={"disk": "ssd"})], [])
    wish = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n2"]}]}
                ]
            }
        }
    }

    assert cluster.place(pod("a", node_selector={"disk": "ssd"})).node == "n2"
    assert cluster.place(pod("b", affinity=wish)).node == "n2"
    assert cluster.place(pod("c", node_selector={"disk": "tape"})).node == ""


def test_anti_affinity_puts_replicas_on_different_nodes() -> None:
    cluster = Placements([node("n1"), node("n2")], [web("a", "n1")])

    assert cluster.place(web("b")).node == "n2"
    full = Placements([node("n1")], [web("a", "n1")]).place(web("b"))
    assert "anti-affinity" in full.problem


def test_anti_affinity_of_those_there_holds_too() -> None:
    cluster = Placements(
        [node("n1"), node("n2")], [web("a", "n1"), pod("x", "n2"), pod("y", "n2")]
    )

    assert cluster.place(pod("plain", labels={"app": "web"})).node == "n2"


def test_affinity_puts_pods_together_and_the_first_anywhere() -> None:
    first = pod("a", labels={"app": "db"}, affinity=together("db"))
    nodes = [node("n1"), node("n2")]

    assert Placements(nodes, []).place(first).node == "n1"
    there = [pod("z", "n2", labels={"app": "db"})]
    assert Placements(nodes, there).place(first).node == "n2"


def test_no_nodes_is_reported() -> None:
    assert Placements([], []).place(pod("a")).problem == "no nodes available to schedule pods"
