from pathlib import Path

import pytest

from ciliate.lab.entering import (
    AmbiguousPodError,
    NotRunningError,
    UnknownPlaceError,
    find_place,
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


def test_pod_without_a_running_container_says_so(lab: tuple[LabPaths, LabState]) -> None:
    place = find_place(*lab, "a/b-c")

    assert place.cgroup == "k8s-w1/a_b-c"
    with pytest.raises(NotRunningError, match="a/b-c"):
        run_in("x", place, ["true"])
