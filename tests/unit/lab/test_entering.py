from pathlib import Path

import pytest

from ciliate.lab.entering import (
    AmbiguousPodError,
    NotRunningError,
    UnknownPlaceError,
    find_place,
    place_names,
    run_in,
)
from ciliate.lab.paths import LabPaths
from ciliate.lab.state import LabState, Phase, machine_state
from ciliate.lab.topology import default_machines


@pytest.fixture
def lab(tmp_path: Path) -> tuple[LabPaths, LabState]:
    """A lab with three pods, two of the same name."""
    paths = LabPaths("x", root=tmp_path)
    for node, pod in (("k8s-ctr", "default_web"), ("k8s-w1", "other_web"), ("k8s-w1", "a_b-c")):
        pins = paths.pods(node) / pod / "ns"
        pins.mkdir(parents=True)
        (pins / "net").touch()
    state = LabState(
        name="x",
        checkout="/src",
        phase=Phase.UP,
        dual_stack=False,
        api_port=1,
        settings={},
        machines=[machine_state(paths, m, dual_stack=False) for m in default_machines(2)],
    )
    return paths, state


def test_machine_is_found_by_its_name(lab: tuple[LabPaths, LabState]) -> None:
    place = find_place(*lab, "router")

    assert place.pins == lab[0].pins("router")


def test_pod_is_found_by_name_or_with_its_namespace(lab: tuple[LabPaths, LabState]) -> None:
    assert find_place(*lab, "b-c") == find_place(*lab, "a/b-c")
    assert find_place(*lab, "other/web").pins == lab[0].pods("k8s-w1") / "other_web" / "ns"


def test_pod_name_of_two_namespaces_needs_one(lab: tuple[LabPaths, LabState]) -> None:
    with pytest.raises(AmbiguousPodError, match="default/web, other/web"):
        find_place(*lab, "web")


def test_unknown_place_is_answered_with_those_that_exist(lab: tuple[LabPaths, LabState]) -> None:
    with pytest.raises(UnknownPlaceError, match="k8s-ctr, k8s-w1; pods: default/web"):
        find_place(*lab, "nowhere")


def add_pods(lab: tuple[LabPaths, LabState], *pods: str) -> None:
    for pod in pods:
        (lab[0].pods("k8s-w1") / pod / "ns").mkdir(parents=True)


WORKLOADS = (
    "default_shop-654d555dbc-wkqtb",
    "kube-system_cilium-dp6v5",
    "default_db-0",
    "default_set-x2b4c",
)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("po/b-c", "a/b-c"),
        ("pod/a/b-c", "a/b-c"),
        ("no/k8s-w1", "k8s-w1"),
        ("nodes/k8s-ctr", "k8s-ctr"),
        ("deploy/shop", "default/shop-654d555dbc-wkqtb"),
        ("deployment.apps/shop", "default/shop-654d555dbc-wkqtb"),
        ("ds/cilium", "kube-system/cilium-dp6v5"),
        ("sts/db", "default/db-0"),
        ("replicaset/set", "default/set-x2b4c"),
    ],
)
def test_place_is_found_by_its_kind(lab: tuple[LabPaths, LabState], name: str, found: str) -> None:
    add_pods(lab, *WORKLOADS)

    assert find_place(*lab, name).name == found


@pytest.mark.parametrize("name", ["no/router", "no/b-c", "po/k8s-w1", "deploy/cilium", "sts/shop"])
def test_name_of_another_kind_is_unknown(lab: tuple[LabPaths, LabState], name: str) -> None:
    add_pods(lab, *WORKLOADS)

    with pytest.raises(UnknownPlaceError, match=f"'{name}' is no machine or pod"):
        find_place(*lab, name)


def test_every_offered_name_is_found(lab: tuple[LabPaths, LabState]) -> None:
    add_pods(lab, *WORKLOADS)

    for kind in ("", "no", "po", "deploy", "ds", "sts", "rs"):
        names = place_names(*lab, kind)
        assert names
        for name in names:
            find_place(*lab, f"{kind}/{name}" if kind else name)
    assert place_names(*lab, "ds") == ["cilium", "set"]
    assert "web" not in place_names(*lab), "two pods are called so"


def test_pod_without_a_running_container_says_so(lab: tuple[LabPaths, LabState]) -> None:
    place = find_place(*lab, "a/b-c")

    assert place.cgroup == "k8s-w1"
    with pytest.raises(NotRunningError, match="a/b-c"):
        run_in("x", place, ["true"])
