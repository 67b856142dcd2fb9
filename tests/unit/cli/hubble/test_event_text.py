"""Events of agents, debug messages and states of nodes as lines."""

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from tests.unit.cli.hubble.sample_flows import at, node_status

from ciliate.cli.hubble.event_text import (
    agent_event_line,
    agent_event_record,
    debug_event_line,
    is_ordinary,
    node_status_line,
    node_status_record,
)
from ciliate.cli.hubble.record_text import render_record
from ciliate.cli.hubble.style import Style
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2

PLAIN = Style()
TIME = "2025-08-02T07:11:40Z"


def agent_event(**fields: Any) -> observer_pb2.GetAgentEventsResponse:
    event = ParseDict(fields, flow_pb2.AgentEvent())
    return observer_pb2.GetAgentEventsResponse(agent_event=event, node_name="w1", time=at(1))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"type": "AGENT_STARTED", "agent_start": {"time": TIME}},
            "AGENT_STARTED (start time: Aug  2 07:11:40.000)",
        ),
        (
            {
                "type": "ENDPOINT_CREATED",
                "endpoint_update": {"id": 7, "namespace": "default", "pod_name": "p"},
            },
            "ENDPOINT_CREATED (id: 7, namespace: default, pod name: p)",
        ),
        (
            {
                "type": "POLICY_UPDATED",
                "policy_update": {"labels": ["a"], "revision": 4, "rule_count": 2},
            },
            "POLICY_UPDATED (labels: [a], revision: 4, count: 2)",
        ),
        (
            {
                "type": "IPCACHE_UPSERTED",
                "ipcache_update": {
                    "cidr": "10.0.0.1/32",
                    "identity": 5,
                    "old_identity": 3,
                    "host_ip": "1.1.1.1",
                },
            },
            (
                "IPCACHE_UPSERTED (cidr: 10.0.0.1/32, identity: 5, old identity: 3,"
                " host ip: 1.1.1.1, encrypt key: 0)"
            ),
        ),
        (
            {
                "type": "ENDPOINT_REGENERATE_FAILURE",
                "endpoint_regenerate": {"id": 7, "labels": ["a", "b"], "error": "no\x1broom"},
            },
            "ENDPOINT_REGENERATE_FAILURE (id: 7, labels: [a,b], error: no^[room)",
        ),
        (
            {
                "type": "SERVICE_UPSERTED",
                "service_upsert": {
                    "id": 1,
                    "frontend_address": {"ip": "fd00::1", "port": 80},
                    "backend_addresses": [{"ip": "10.0.0.1", "port": 8080}],
                    "type": "ClusterIP",
                    "namespace": "default",
                    "name": "web",
                },
            },
            (
                "SERVICE_UPSERTED (id: 1, frontend: [fd00::1]:80, backends: [10.0.0.1:8080],"
                " type: ClusterIP, namespace: default, name: web)"
            ),
        ),
        ({"type": "SERVICE_DELETED", "service_delete": {"id": 1}}, "SERVICE_DELETED (id: 1)"),
        (
            {"unknown": {"type": "9", "notification": "{}"}},
            "AGENT_EVENT_UNKNOWN (type: 9, notification: {})",
        ),
        ({"type": "POLICY_DELETED"}, "POLICY_DELETED"),
    ],
)
def test_agents_event_is_told_with_its_details(fields: dict[str, Any], text: str) -> None:
    assert agent_event_line(agent_event(**fields), PLAIN) == f"Aug  2 07:11:40.001: {text}"


def test_node_stands_behind_the_time() -> None:
    response = agent_event(type="POLICY_DELETED")

    assert agent_event_line(response, Style(node=True)).startswith("Aug  2 07:11:40.001 [w1]: ")
    assert agent_event_record(response, Style(node=True))["NODE"] == "w1"


def test_debug_message_has_mark_and_processor() -> None:
    event = {
        "type": "DBG_CT_VERDICT",
        "source": {"ID": 7, "namespace": "default", "pod_name": "p"},
        "hash": 0xBEEF,
        "cpu": 2,
        "message": "CT verdict: New, revnat=0",
    }
    whole = observer_pb2.GetDebugEventsResponse(
        debug_event=ParseDict(event, flow_pb2.DebugEvent()), time=at(1)
    )
    bare = observer_pb2.GetDebugEventsResponse(debug_event=flow_pb2.DebugEvent(message="x"))

    assert debug_event_line(whole, PLAIN) == (
        "Aug  2 07:11:40.001: default/p (ID: 7) DBG_CT_VERDICT MARK: 0xbeef CPU: 02"
        " (CT verdict: New, revnat=0)"
    )
    assert debug_event_line(bare, PLAIN) == "N/A: N/A DBG_EVENT_UNKNOWN MARK: N/A CPU: N/A (x)"


@pytest.mark.parametrize(
    ("state", "names", "message", "text"),
    [
        (
            "NODE_CONNECTED",
            ["k8s-ctr", "k8s-w1"],
            "",
            "Receiving flows from 2 nodes: k8s-ctr, k8s-w1",
        ),
        ("NODE_UNAVAILABLE", ["k8s-w2"], "", "1 nodes are unavailable: k8s-w2"),
        ("NODE_GONE", ["k8s-w4"], "", "1 nodes removed from cluster: k8s-w4"),
        ("NODE_ERROR", ["k8s-w3"], "boom", 'Error "boom" on 1 nodes: k8s-w3'),
    ],
)
def test_state_of_nodes_is_a_sentence(
    state: str, names: list[str], message: str, text: str
) -> None:
    response = node_status(state, names, message=message)

    line = node_status_line(response, PLAIN)

    assert line == f"Aug  2 07:11:40.000 [hubble-relay-x]: {text}"
    assert is_ordinary(response.node_status) == (state in ("NODE_CONNECTED", "NODE_GONE"))


def test_long_list_of_nodes_is_cut() -> None:
    line = node_status_line(
        node_status("NODE_UNAVAILABLE", [f"worker-{n:03}" for n in range(40)]), PLAIN
    )

    assert line.endswith(
        "40 nodes are unavailable: worker-000, worker-001, worker-002, worker-003 (and 36 more)"
    )


def test_state_of_nodes_has_a_record() -> None:
    record = node_status_record(node_status("NODE_ERROR", ["a", "b"], message="boom"), PLAIN)

    assert render_record(record) == (
        "TIMESTAMP: Aug  2 07:11:40.000\n    STATE: NODE_ERROR\n    NODES: a, b\n  MESSAGE: boom\n"
    )
