from msgspec import structs

from ciliate.api.metadata import LabelSelector, ObjectMeta
from ciliate.lab.controllers.deployment import (
    HASH_LABEL,
    REVISION,
    deployment_status,
    new_replica_set,
)
from ciliate.lab.objects import Deployment, DeploymentSpec, Json, ReplicaSet, ReplicaSetSpec

NOW = "2025-07-01T12:00:00Z"


def deployment(image: str = "a", *, replicas: int = 2, status: Json | None = None) -> Deployment:
    return Deployment(
        metadata=ObjectMeta(name="web", namespace="default", uid="u", generation=4),
        spec=DeploymentSpec(
            selector=LabelSelector(match_labels={"app": "web"}),
            template={
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": image}], "unknownField": 1},
            },
            replicas=replicas,
        ),
        status=status or {},
    )


def test_replica_set_carries_the_template_with_its_hash() -> None:
    made = new_replica_set(deployment(), replicas=2, revision=1)

    short = made.metadata.labels[HASH_LABEL]
    assert made.metadata.name == f"web-{short}"
    assert made.spec.selector.match_labels == {"app": "web", HASH_LABEL: short}
    assert made.spec.template["metadata"]["labels"] == {"app": "web", HASH_LABEL: short}
    assert made.spec.template["spec"]["unknownField"] == 1
    assert made.metadata.annotations == {REVISION: "1"}
    assert made.metadata.owner_references[0].controller


def test_replica_set_has_the_annotations_that_say_why_it_was_made() -> None:
    cause, applied = (
        "kubernetes.io/change-cause",
        "kubectl.kubernetes.io/last-applied-configuration",
    )
    annotated = deployment()
    annotated.metadata.annotations.update({cause: "new image", applied: "{}", REVISION: "1"})

    made = new_replica_set(annotated, replicas=2, revision=2)

    assert made.metadata.annotations == {cause: "new image", REVISION: "2"}


def test_hash_depends_on_the_template_alone() -> None:
    one = new_replica_set(deployment(), replicas=2, revision=1)
    two = new_replica_set(deployment(replicas=9), replicas=9, revision=7)
    other = new_replica_set(deployment("b"), replicas=2, revision=2)

    assert one.metadata.name == two.metadata.name
    assert one.metadata.name != other.metadata.name


def replica_set(name: str, total: int, available: int) -> ReplicaSet:
    return ReplicaSet(
        metadata=ObjectMeta(name=name),
        spec=ReplicaSetSpec(replicas=total),
        status={
            "replicas": total,
            "readyReplicas": available,
            "availableReplicas": available,
        },
    )


def test_status_shows_rollout_status_what_it_waits_for() -> None:
    new, old = replica_set("new", 1, 1), replica_set("old", 2, 2)

    status = deployment_status(deployment(), new, [old, new], now=NOW)

    assert status["observedGeneration"] == 4
    assert status["updatedReplicas"] == 1
    assert status["replicas"] == 3
    reasons = {c["type"]: c["reason"] for c in status["conditions"]}
    assert reasons == {
        "Available": "MinimumReplicasAvailable",
        "Progressing": "ReplicaSetUpdated",
    }


def test_finished_rollout_says_so_and_stays_the_same() -> None:
    new = replica_set("new", 2, 2)
    status = deployment_status(deployment(), new, [new], now="2025-07-01T00:00:00Z")

    again = deployment_status(deployment(status=status), new, [new], now=NOW)

    assert again == status
    assert status["conditions"][1]["reason"] == "NewReplicaSetAvailable"


def rollout(*counts: tuple[int, int], deadline_s: int | None = 10) -> list[Json]:
    """Conditions Progressing of a rollout, minute by minute, of pods updated and available."""
    status: Json = {}
    found = []
    for minute, (total, available) in enumerate(counts):
        each = deployment(status=status)
        each = structs.replace(
            each, spec=structs.replace(each.spec, progress_deadline_seconds=deadline_s)
        )
        new, old = replica_set("new", total, available), replica_set("old", 1, 1)
        now = f"2025-07-01T12:{minute:02}:00Z"
        status = deployment_status(each, new, [old, new] if total < 2 else [new], now=now)
        found.append(status["conditions"][1])
    return found


def test_rollout_without_progress_for_its_deadline_counts_as_failed() -> None:
    begun, advanced, stuck, same = rollout((0, 0), (1, 0), (1, 0), (1, 0))

    assert (begun["reason"], advanced["reason"]) == ("ReplicaSetUpdated", "ReplicaSetUpdated")
    assert advanced["lastUpdateTime"] == "2025-07-01T12:01:00Z"
    assert stuck == {
        "type": "Progressing",
        "status": "False",
        "reason": "ProgressDeadlineExceeded",
        "message": 'ReplicaSet "new" has timed out progressing.',
        "lastUpdateTime": "2025-07-01T12:02:00Z",
        "lastTransitionTime": "2025-07-01T12:02:00Z",
    }
    assert same == stuck


def test_rollout_that_was_stuck_goes_on_and_ends() -> None:
    *_, stuck, going_on, done = rollout((0, 0), (1, 0), (1, 0), (1, 1), (2, 2))

    assert stuck["status"] == "False"
    assert (going_on["status"], going_on["reason"]) == ("True", "ReplicaSetUpdated")
    assert (done["status"], done["reason"]) == ("True", "NewReplicaSetAvailable")


def test_rollout_without_a_deadline_goes_on_for_ever() -> None:
    conditions = rollout((1, 0), (1, 0), (1, 0), deadline_s=None)

    assert {each["reason"] for each in conditions} == {"ReplicaSetUpdated"}


def test_pod_that_is_lost_after_the_rollout_is_no_rollout() -> None:
    *_, done, lost, still = rollout((1, 1), (2, 2), (2, 1), (2, 1))

    assert done["reason"] == "NewReplicaSetAvailable"
    assert lost == done
    assert still == done


def test_too_few_available_pods_are_reported() -> None:
    new = replica_set("new", 2, 0)

    status = deployment_status(deployment(), new, [new], now=NOW)

    assert status["conditions"][0]["status"] == "False"
    assert status["unavailableReplicas"] == 2
