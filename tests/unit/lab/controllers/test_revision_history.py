"""Which ControllerRevisions a DaemonSet gets, and which it loses."""

from dataclasses import replace

from msgspec.structs import replace as changed
from tests.unit.lab.controllers.pod_samples import pod

from ciliate.api.metadata import ObjectMeta
from ciliate.lab.controllers.names import hash_of
from ciliate.lab.controllers.revision_history import HASH_LABEL, HistoryChange, decide
from ciliate.lab.objects import ControllerRevision, DaemonSet, DaemonSetSpec, Json

CAUSE = "kubernetes.io/change-cause"


def template(image: str) -> Json:
    return {
        "metadata": {"labels": {"app": "a"}},
        "spec": {"containers": [{"name": "c", "image": image}]},
    }


def daemon_set(image: str, *, limit: int = 10, cause: str = "") -> DaemonSet:
    return DaemonSet(
        metadata=ObjectMeta(
            name="d", namespace="default", uid="u", annotations={CAUSE: cause} if cause else {}
        ),
        spec=DaemonSetSpec(template=template(image), revision_history_limit=limit),
    )


def revision(image: str, number: int) -> ControllerRevision:
    made = decide(daemon_set(image), [], []).make
    assert made is not None
    return changed(made, revision=number)


def test_a_template_gets_an_entry_that_leads_back_to_it() -> None:
    made = decide(daemon_set("x:2", cause="second"), [revision("x:1", 4)], []).make

    assert made is not None
    assert made.revision == 5
    assert made.data == {"spec": {"template": {**template("x:2"), "$patch": "replace"}}}
    assert made.metadata.name == f"d-{hash_of(template('x:2'))}"
    assert made.metadata.labels == {"app": "a", HASH_LABEL: hash_of(template("x:2"))}
    assert made.metadata.annotations == {CAUSE: "second"}
    (owner,) = made.metadata.owner_references
    assert (owner.kind, owner.uid, owner.controller) == ("DaemonSet", "u", True)


def test_the_latest_template_needs_nothing() -> None:
    history = [revision("x:1", 1), revision("x:2", 2)]

    assert decide(daemon_set("x:2"), history, []) == HistoryChange()


def test_a_rollback_makes_its_entry_the_latest() -> None:
    history = [revision("x:1", 1), revision("x:2", 2)]

    change = decide(daemon_set("x:1"), history, [])

    assert change.make is None
    assert change.renumber is not None
    assert change.renumber.metadata == history[0].metadata
    assert change.renumber.revision == 3


def test_the_oldest_beyond_the_limit_go_unless_pods_have_their_template() -> None:
    history = [revision(f"x:{number}", number) for number in range(1, 6)]
    used = pod("p", "n1", labels={HASH_LABEL: hash_of(template("x:1"))})

    change = decide(daemon_set("x:5", limit=2), history, [used])

    assert [each.revision for each in change.delete] == [2]
    assert replace(change, delete=()) == HistoryChange()
