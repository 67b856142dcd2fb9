"""The list of a node: pods that no table has room for are left out alone."""

from ipaddress import ip_network

import pytest

from ciliate.api.metadata import LabelSelector
from ciliate.masquerade import compile as compiling
from ciliate.masquerade.compile import CHOICES_MAX
from ciliate.masquerade.rule_list import RuleList
from ciliate.masquerade.rules import (
    UNSELECTED,
    Action,
    Destination,
    Origin,
    PodSelector,
    PortRange,
    Rule,
    Selection,
)

#: Two rules that fit each by itself, and not both for one pod.
X, Y = (
    Rule(
        name=f"policy/{label}/0",
        origin=Origin.POLICY,
        action=Action.KEEP,
        pods=PodSelector(pods=LabelSelector({label: "yes"})),
        ports=tuple(PortRange(6, first + at, first + at) for at in range(0, 2 * CHOICES_MAX, 2)),
    )
    for label, first in (("x", 1000), ("y", 2000))
)
PLACES = {"": (), "x": (0,), "y": (1,), "xy": (0, 1)}


class Node:
    """A list of rules, and pods that are selected by these names of `PLACES`."""

    def __init__(self, **pods: str) -> None:
        self.pods = {int(name[1:]): each for name, each in pods.items()}
        self.list = RuleList((), selections=self._selections)

    def _selections(self, rules: object) -> dict[int, Selection]:
        names = [each.name for each in rules]  # type: ignore[attr-defined] # a list of rules.
        first = names.index(X.name) if X.name in names else 0
        return {number: self._selection(each, first) for number, each in self.pods.items()}

    def _selection(self, name: str, first: int) -> Selection:
        places = frozenset(first + at for at in PLACES[name])
        return Selection(places, places)

    def named(self, pod: int) -> str:
        """By which name a pod is selected in what is in force."""
        selected = self.list.selections[pod]
        return next(name for name in PLACES if self._selection(name, self._first) == selected)

    @property
    def _first(self) -> int:
        return [each.name for each in self.list.rules].index(X.name)


def test_each_of_two_rules_fits_by_itself() -> None:
    assert len(X.ports or ()) == len(Y.ports or ()) == CHOICES_MAX


async def test_pod_with_too_many_port_ranges_keeps_no_other_pod_from_its_rules() -> None:
    node = Node(p1="x", p2="")
    await node.list.follow((X, Y))
    node.pods |= {1: "xy", 3: "y"}

    await node.list.look()

    assert [node.named(pod) for pod in (1, 2, 3)] == ["x", "", "y"]
    assert node.list.refusal(3) is None
    assert f"more than {CHOICES_MAX} port ranges for 0.0.0.0/0" in str(node.list.refusal(1))
    assert node.list.status.last_failure.endswith("or go without: 1")


async def test_pod_that_fits_again_is_in_its_class_and_the_status_says_nothing() -> None:
    node = Node(p1="xy", p2="x")
    await node.list.follow((X, Y))
    assert node.list.refusal(1) is not None
    assert node.list.selections[1] == UNSELECTED
    node.pods[1] = "y"

    await node.list.look()

    assert node.named(1) == "y"
    assert node.list.refusal(1) is None
    assert node.list.status.consecutive_failures == 0


async def test_policies_change_while_a_pod_does_not_fit() -> None:
    node = Node(p1="xy")
    other = Rule(name="policy/z/0", origin=Origin.POLICY, action=Action.DEVICE)

    await node.list.follow((X, Y, other))

    assert other in node.list.rules


async def test_classes_for_which_there_is_no_room_are_left_out_and_come_when_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compiling, "PREFIXES_MAX", 12)
    wide = tuple(Destination(ip_network(f"10.{at}.0.0/16")) for at in range(8))
    x, y = (
        Rule(
            name=each.name,
            origin=each.origin,
            action=each.action,
            pods=each.pods,
            destinations=wide,
        )
        for each in (X, Y)
    )
    node = Node(p1="y")
    await node.list.follow((x, y))
    node.pods[2] = "x"

    await node.list.look()

    assert node.named(1) == "y"
    assert "12" in str(node.list.refusal(2))

    del node.pods[1]
    await node.list.look()

    assert node.named(2) == "x"
    assert node.list.refusal(2) is None
