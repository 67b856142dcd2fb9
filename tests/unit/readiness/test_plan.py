from datetime import UTC, datetime, timedelta
from typing import Any

import jsonpatch
import msgspec
import pytest

from ciliate.api.cilium_node import READY_ANNOTATION, CiliumNode
from ciliate.api.core import Node, NodeSpec, NodeStatus, Taint
from ciliate.api.metadata import Condition, ObjectMeta, format_time
from ciliate.cluster.views import AgentPlace, AgentPod, AgentStatus
from ciliate.readiness.plan import (
    AgentState,
    NodeMarks,
    agent_states,
    desired_marks,
    marks_of,
    taint_patch,
    up_patch,
)
from ciliate.readiness.settings import ReadinessSettings

KEY = "node.cilium.io/agent-not-ready"
OURS = Taint(key=KEY, effect="NoSchedule")
OTHER = Taint(key="node.kubernetes.io/disk-pressure", effect="NoSchedule")
ALL = ReadinessSettings(taint_key=KEY, set_taint=True, remove_taint=True, set_condition=True)
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(seconds=30), NOW - timedelta(seconds=1)
NONE = ReadinessSettings(taint_key=KEY, set_taint=False, remove_taint=False, set_condition=False)


def agent(node: str, *, ready: bool) -> AgentPod:
    condition = Condition(type="Ready", status="True" if ready else "False")
    return AgentPod(spec=AgentPlace(node), status=AgentStatus((condition,)))


def stating(name: str, until: datetime | str) -> CiliumNode:
    text = until if isinstance(until, str) else format_time(until)
    return CiliumNode(metadata=ObjectMeta(name=name, annotations={READY_ANNOTATION: text}))


def node(*taints: Taint, conditions: tuple[Condition, ...] = ()) -> Node:
    return Node(
        metadata=ObjectMeta(name="w1", resource_version="7"),
        spec=NodeSpec(taints=taints),
        status=NodeStatus(conditions=conditions),
    )


def plain(item: Any) -> Any:
    """Return `item` as JSON would carry it: with lists, not tuples."""
    return msgspec.json.decode(msgspec.json.encode(item))


def patched(item: Node, *, tainted: bool) -> list[Any]:
    document = plain(item)
    patch = plain(taint_patch(item, KEY, tainted=tainted))
    result: list[Any] = jsonpatch.apply_patch(document, patch)["spec"].get("taints", [])
    return [taint["key"] for taint in result]


def test_one_ready_agent_of_two_is_enough() -> None:
    pods = [agent("w1", ready=False), agent("w1", ready=True), agent("w1", ready=False)]

    assert agent_states(pods, (), now=NOW) == {"w1": AgentState.READY}


@pytest.mark.parametrize(
    ("until", "pods", "state"),
    [
        (LATER, [], AgentState.READY),
        (LATER, [agent("w1", ready=False)], AgentState.READY),
        (EARLIER, [], AgentState.NOT_READY),
        (NOW, [], AgentState.NOT_READY),
        ("soon", [], AgentState.NOT_READY),
        (EARLIER, [agent("w1", ready=True)], AgentState.READY),
    ],
    ids=["plain process", "probe that fails", "killed", "stopped", "no time", "in a pod again"],
)
def test_an_agents_own_statement_counts_while_it_holds(
    until: datetime | str, pods: list[AgentPod], state: AgentState
) -> None:
    assert agent_states(pods, [stating("w1", until)], now=NOW) == {"w1": state}


def test_a_node_whose_agent_says_nothing_is_not_counted() -> None:
    assert agent_states((), [CiliumNode(metadata=ObjectMeta(name="w1"))], now=NOW) == {}


def test_an_agent_without_a_node_is_not_counted() -> None:
    assert agent_states([agent("", ready=False)], (), now=NOW) == {}


@pytest.mark.parametrize(
    ("state", "settings", "shown", "desired"),
    [
        (
            AgentState.READY,
            ALL,
            NodeMarks(tainted=True, up=False),
            NodeMarks(tainted=False, up=True),
        ),
        (
            AgentState.READY,
            NONE,
            NodeMarks(tainted=True, up=False),
            NodeMarks(tainted=True, up=False),
        ),
        (
            AgentState.NOT_READY,
            ALL,
            NodeMarks(tainted=False, up=True),
            NodeMarks(tainted=True, up=True),
        ),
        (
            AgentState.NOT_READY,
            NONE,
            NodeMarks(tainted=False, up=True),
            NodeMarks(tainted=False, up=True),
        ),
        (
            AgentState.ABSENT,
            ALL,
            NodeMarks(tainted=True, up=False),
            NodeMarks(tainted=True, up=False),
        ),
        (
            AgentState.ABSENT,
            ALL,
            NodeMarks(tainted=False, up=True),
            NodeMarks(tainted=False, up=True),
        ),
    ],
)
def test_marks_follow_the_agent_as_far_as_settings_allow(
    state: AgentState, settings: ReadinessSettings, shown: NodeMarks, desired: NodeMarks
) -> None:
    assert desired_marks({"w1": shown}, {"w1": state}, settings) == {"w1": desired}


def test_what_was_desired_and_done_leaves_nothing_to_do() -> None:
    shown = {"w1": NodeMarks(tainted=True, up=False)}
    states = {"w1": AgentState.READY}

    once = desired_marks(shown, states, ALL)

    assert desired_marks(once, states, ALL) == once


def test_removing_the_taint_leaves_those_of_others() -> None:
    assert patched(node(OTHER, OURS), tainted=False) == [OTHER.key]
    twice = Taint(key=KEY, effect="NoExecute")
    assert patched(node(OURS, OTHER, twice), tainted=False) == [OTHER.key]


def test_adding_the_taint_leaves_those_of_others() -> None:
    assert patched(node(OTHER), tainted=True) == [OTHER.key, KEY]


def test_removing_an_absent_taint_and_adding_a_present_one_is_nothing() -> None:
    assert taint_patch(node(OTHER), KEY, tainted=False) == []
    assert taint_patch(node(OURS), KEY, tainted=True) == []


def test_a_list_of_taints_that_has_changed_meanwhile_fails_the_patch() -> None:
    patch = plain(taint_patch(node(OURS, OTHER), KEY, tainted=False))

    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        jsonpatch.apply_patch(plain(node(OTHER)), patch)


def test_the_first_taint_of_a_node_is_added_to_the_version_seen_only() -> None:
    patch = plain(taint_patch(node(), KEY, tainted=True))

    assert patch == [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "add", "path": "/spec/taints", "value": [{"key": KEY, "effect": "NoSchedule"}]},
    ]


def test_the_condition_written_is_the_one_recognized() -> None:
    written = up_patch(datetime(2025, 7, 1, tzinfo=UTC))["status"]["conditions"][0]
    condition = msgspec.convert(written, Condition)

    assert marks_of(node(conditions=(condition,)), KEY).up
    assert not marks_of(node(), KEY).up
    assert written["lastTransitionTime"] == written["lastHeartbeatTime"] == "2025-07-01T00:00:00Z"


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        ("Ready", "False", "CiliumIsUp"),
        ("NetworkUnavailable", "True", "CiliumIsUp"),
        ("NetworkUnavailable", "False", "RouteCreated"),
    ],
)
def test_another_condition_does_not_say_that_the_network_is_up(
    kind: str, status: str, reason: str
) -> None:
    other = Condition(type=kind, status=status, reason=reason)

    assert not marks_of(node(conditions=(other,)), KEY).up
