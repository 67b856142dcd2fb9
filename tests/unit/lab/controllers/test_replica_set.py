from tests.unit.lab.controllers.pod_samples import pod

from ciliate.api.metadata import ObjectMeta
from ciliate.lab.controllers.replica_set import decide, deletion_order, status_of
from ciliate.lab.objects import ReplicaSet, ReplicaSetSpec


def test_missing_pods_are_created() -> None:
    change = decide(3, [pod("a")])

    assert change.create == 2
    assert change.delete == ()


def test_finished_and_dying_pods_do_not_count() -> None:
    change = decide(1, [pod("a", phase="Failed"), pod("b", deleted=True)])

    assert change.create == 1


def test_right_number_changes_nothing() -> None:
    change = decide(2, [pod("a"), pod("b")])

    assert (change.create, change.delete) == (0, ())


def test_most_dispensable_pod_goes_first() -> None:
    pods = [
        pod("old", "n1"),
        pod("young", "n1", created="2025-07-02T12:00:00Z"),
        pod("unready", "n2", ready=False),
        pod("unplaced", ready=False),
        pod("alone", "n3"),
    ]

    order = [each.metadata.name for each in deletion_order(pods)]

    assert order == ["unplaced", "unready", "young", "old", "alone"]


def test_pod_is_available_after_its_time_of_being_ready() -> None:
    replica_set = ReplicaSet(
        metadata=ObjectMeta(generation=3), spec=ReplicaSetSpec(min_ready_seconds=10)
    )
    pods = [pod("a", since="1970-01-01T00:01:40Z")]

    early, again_s = status_of(replica_set, pods, now=105.0)
    late, never = status_of(replica_set, pods, now=110.0)

    assert (early["readyReplicas"], early["availableReplicas"], again_s) == (1, 0, 5.0)
    assert (late["availableReplicas"], never) == (1, None)
    assert late["observedGeneration"] == 3
