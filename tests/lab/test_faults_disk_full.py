"""No space left for the agent's state: ADD says so and leaves nothing; with room it works again."""

from collections.abc import Iterator

import pytest
from tests.lab.faulty_node import FaultyNode, fault_lab
from tests.lab.plugin_calls import Sandbox, call_all, make_sandboxes, remove_sandboxes

FOLDER = "/var/run/cilium/state/endpoints"


@pytest.fixture(scope="module")
def node() -> Iterator[FaultyNode]:
    with fault_lab("disk") as lab:
        yield FaultyNode(lab, "k8s-w1")


@pytest.fixture
def tiny(node: FaultyNode) -> Iterator[None]:
    """The folder of endpoints on a file system of eight pages."""
    node.run("mount", "-t", "tmpfs", "-o", "size=32k,mode=700", "tmpfs", FOLDER)
    yield
    node.run("umount", FOLDER)


@pytest.fixture
def sandboxes(node: FaultyNode, tiny: None) -> Iterator[list[Sandbox]]:
    made = make_sandboxes(node, 12, "disk")
    yield made
    call_all(made, "DEL")
    node.wait_settled(endpoints=0)
    remove_sandboxes(made)


def fill(node: FaultyNode) -> None:
    """Leave not one byte."""
    node.run("sh", "-c", f"head -c 1M /dev/zero > {FOLDER}/filler", check=False)


def test_add_without_space_fails_clearly_and_works_again_with_room(
    node: FaultyNode, sandboxes: list[Sandbox]
) -> None:
    fill(node)

    refused = sandboxes[0].add()

    assert refused.code == 1
    assert "No space left" in refused.answer["msg"], refused
    assert FOLDER in refused.answer["msg"]
    assert node.state_files() == ["filler"]
    assert node.pod_links() == set()
    assert node.map_size("interfaces") == 0
    assert set(node.allocations().values()) == {"router"}

    node.run("rm", f"{FOLDER}/filler")
    assert sandboxes[0].add().ok
    node.wait_settled(endpoints=1)


def test_some_adds_succeed_until_the_space_ends(
    node: FaultyNode, sandboxes: list[Sandbox]
) -> None:
    answers = call_all(sandboxes, "ADD")

    good = [s for s, called in zip(sandboxes, answers, strict=True) if called.ok]
    assert 0 < len(good) < len(sandboxes), "eight pages, twelve files"
    records = node.wait_settled(endpoints=len(good))
    assert set(records.endpoints) == {sandbox.container_id for sandbox in good}


def test_del_needs_no_space(node: FaultyNode, sandboxes: list[Sandbox]) -> None:
    assert sandboxes[0].add().ok
    fill(node)

    assert sandboxes[0].delete().ok

    node.run("rm", f"{FOLDER}/filler")
    node.wait_settled(endpoints=0)
