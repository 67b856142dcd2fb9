from tests.unit.lab.controllers.pod_samples import node, pod

from ciliate.api.core import Taint
from ciliate.lab.controllers.placement import Placements
from ciliate.lab.objects import Container, Json, Pod

HOSTNAME = "kubernetes.io/hostname"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def anti(app: str) -> Json:
    term = {
        "labelSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": [app]}]},
        "topologyKey": HOSTNAME,
    }
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def together(app: str) -> Json:
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": HOSTNAME}
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def asking(name: str, where: str = "", **requests: str) -> Pod:
    return pod(name, where, containers=(Container("c", resources={"requests": requests}),))


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
        "1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }. "
        "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
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

    assert placement.problem.startswith("0/1 nodes are available: 1 node(s) were unschedulable. ")


def test_full_node_takes_nothing() -> None:
    placement = Placements([node("n1", pods_max=1)], [pod("a", "n1")]).place(pod("b"))

    assert placement.problem == (
        "0/1 nodes are available: 1 Too many pods. preemption: 0/1 nodes are available: "
        "1 No preemption victims found for incoming pod."
    )


def test_node_without_the_memory_that_a_pod_asks_for_is_passed_over() -> None:
    large, small = node("n1"), node("n2")
    large.status["allocatable"] |= {"cpu": "2", "memory": "4Gi"}
    small.status["allocatable"] |= {"cpu": "2", "memory": "1Gi"}
    there = asking("there", "n1", memory="2500Mi")

    cluster = Placements([large, small], [there])

    assert cluster.place(asking("a", memory="1500Mi")).node == "n1"
    assert cluster.place(asking("b", memory="1Gi")).node == "n2"
    assert cluster.place(asking("c", cpu="2001m")).problem.startswith(
        "0/2 nodes are available: 2 Insufficient cpu. "
    )


def test_device_that_no_node_has_is_named() -> None:
    limits = {"limits": {"example.com/gpu": "1"}}
    wants = pod("a", containers=(Container("c", resources=limits),))

    refused = Placements([node("n1")], []).place(wants)

    assert refused.problem.startswith("0/1 nodes are available: 1 Insufficient example.com/gpu. ")


def test_node_with_more_left_is_chosen_before_one_with_fewer_pods() -> None:
    nodes = [node("n1"), node("n2")]
    for each in nodes:
        each.status["allocatable"] |= {"cpu": "4", "memory": "4Gi"}
    placed = [asking("big", "n1", cpu="3", memory="3Gi"), pod("x", "n2"), pod("y", "n2")]

    assert Placements(nodes, placed).place(pod("new")).node == "n2"


def test_declared_spread_is_kept_or_the_pod_waits() -> None:
    spread = (
        {
            "maxSkew": 1,
            "topologyKey": HOSTNAME,
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "web"}},
        },
    )
    placed = [pod(name, "n1", labels={"app": "web"}) for name in ("a", "b")]
    new = pod("c", labels={"app": "web"}, topology_spread_constraints=spread)
    elsewhere = pod("d", labels={"app": "web"}, topology_spread_constraints=spread)
    full = [*placed, *(pod(f"x{n}", "n2") for n in range(2))]

    assert Placements([node("n1"), node("n2")], placed).place(new).node == "n2"
    refused = Placements([node("n1"), node("n2", pods_max=2)], full).place(elsewhere)
    assert refused.problem.startswith(
        "0/2 nodes are available: 1 Too many pods, "
        "1 node(s) didn't match pod topology spread constraints. "
        "preemption: 0/2 nodes are available: 2 No preemption victims"
    )


def test_wishes_for_nodes_and_neighbours_come_before_room() -> None:
    ssd = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
    for_ssd = {"nodeAffinity": {PREFERRED: [{"weight": 1, "preference": ssd}]}}
    term = {"labelSelector": {"matchLabels": {"app": "db"}}, "topologyKey": HOSTNAME}
    near = {"podAffinity": {PREFERRED: [{"weight": 5, "podAffinityTerm": term}]}}
    far = {"podAntiAffinity": {PREFERRED: [{"weight": 5, "podAffinityTerm": term}]}}
    nodes = [node("n1"), node("n2", labels={"disk": "ssd"})]
    cluster = Placements(nodes, [pod("db", "n2", labels={"app": "db"}), pod("x", "n2")])

    assert cluster.place(pod("a", affinity=for_ssd)).node == "n2"
    assert cluster.place(pod("b", affinity=near)).node == "n2"
    assert cluster.place(pod("c", affinity=far)).node == "n1"


def test_taint_that_advises_against_a_node_is_heeded_while_there_is_another() -> None:
    taint = Taint("slow", "PreferNoSchedule")
    nodes = [node("n1", taints=(taint,)), node("n2")]

    assert Placements(nodes, [pod("x", "n2")]).place(pod("a")).node == "n2"
    assert Placements(nodes[:1], []).place(pod("a")).node == "n1"


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
