from tests.unit.lab.controllers.pod_samples import node, pod

from ciliate.api.core import Taint
from ciliate.api.metadata import ObjectMeta
from ciliate.lab.controllers.daemon_set import decide, status_of
from ciliate.lab.controllers.names import hash_of
from ciliate.lab.controllers.revision_history import HASH_LABEL
from ciliate.lab.objects import DaemonSet, DaemonSetSpec, Json, Pod, RollingUpdate, Strategy

TEMPLATE: Json = {"metadata": {}, "spec": {"containers": []}}
NODES = [node("n1"), node("n2"), node("n3")]


def daemon_set(unavailable: int | str = 1, *, kind: str = "RollingUpdate") -> DaemonSet:
    return DaemonSet(
        metadata=ObjectMeta(name="cilium", namespace="default", uid="u"),
        spec=DaemonSetSpec(
            template=TEMPLATE,
            update_strategy=Strategy(type=kind, rolling_update=RollingUpdate(unavailable, 0)),
        ),
    )


def current(name: str, where: str, *, ready: bool = True) -> Pod:
    return pod(name, where, ready=ready, labels={HASH_LABEL: hash_of(TEMPLATE)})


def test_every_node_gets_a_pod_also_before_it_is_ready() -> None:
    nodes = [
        node("n1"),
        node("n2", ready=False, taints=(Taint("node.kubernetes.io/not-ready", "NoSchedule"),)),
        node(
            "n3", cordoned=True, taints=(Taint("node.kubernetes.io/unschedulable", "NoSchedule"),)
        ),
    ]

    assert decide(daemon_set(), nodes, [], now=0).create == ("n1", "n2", "n3")


def test_untolerated_taint_keeps_the_pod_away() -> None:
    nodes = [node("n1", taints=(Taint("dedicated", "NoSchedule", "db"),))]

    assert decide(daemon_set(), nodes, [], now=0).create == ()


def test_dying_pod_holds_its_node() -> None:
    """Two agents on one node at once would fight over its datapath."""
    pods = [current("a", "n1"), pod("b", "n2", deleted=True), current("c", "n3")]

    change = decide(daemon_set(), NODES, pods, now=0)

    assert (change.create, change.delete) == ((), ())


def test_old_pods_are_replaced_one_by_one() -> None:
    pods = [pod("a", "n1"), pod("b", "n2"), pod("c", "n3")]

    assert [p.metadata.name for p in decide(daemon_set(), NODES, pods, now=0).delete] == ["a"]
    waiting = [current("a2", "n1", ready=False), pod("b", "n2"), pod("c", "n3")]
    assert decide(daemon_set(), NODES, waiting, now=0).delete == ()
    ready = [current("a2", "n1"), pod("b", "n2"), pod("c", "n3")]
    assert [p.metadata.name for p in decide(daemon_set(), NODES, ready, now=0).delete] == ["b"]


def test_old_pods_that_are_not_ready_go_at_once() -> None:
    pods = [pod("a", "n1", ready=False), pod("b", "n2", ready=False), pod("c", "n3")]

    gone = decide(daemon_set(), NODES, pods, now=0).delete

    assert {p.metadata.name for p in gone} == {"a", "b"}


def test_percentage_of_nodes_may_be_without() -> None:
    pods = [pod("a", "n1"), pod("b", "n2"), pod("c", "n3")]

    assert len(decide(daemon_set("50%"), NODES, pods, now=0).delete) == 2


def test_on_delete_leaves_old_pods() -> None:
    change = decide(daemon_set(kind="OnDelete"), NODES[:1], [pod("a", "n1")], now=0)

    assert change.delete == ()


def test_pods_of_gone_nodes_failed_pods_and_doubles_are_deleted() -> None:
    pods = [
        current("a", "n1"),
        current("double", "n1"),
        current("lost", "gone"),
        pod("failed", "n2", phase="Failed", labels={HASH_LABEL: hash_of(TEMPLATE)}),
        current("c", "n3"),
    ]

    gone = decide(daemon_set(), NODES, pods, now=0).delete

    assert {p.metadata.name for p in gone} == {"double", "lost", "failed"}


def test_status_counts_updated_and_ready_pods() -> None:
    pods = [current("a", "n1"), current("b", "n2", ready=False), pod("c", "n3")]

    status, _ = status_of(daemon_set(), NODES, pods, now=0)

    assert status["desiredNumberScheduled"] == 3
    assert status["numberReady"] == 2
    assert status["updatedNumberScheduled"] == 2
    assert status["numberUnavailable"] == 1
