"""What a server says of itself, in each form."""

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from ciliate.cli.hubble.record_text import render_record, render_table
from ciliate.cli.hubble.server_status import status_lines, status_record, status_row
from ciliate.flows.message_json import message_line
from ciliate.flows.pb.observer import observer_pb2

RELAY = {
    "num_flows": 5565,
    "max_flows": 8190,
    "seen_flows": 171258,
    "uptime_ns": 3723000000000,
    "num_connected_nodes": 2,
    "num_unavailable_nodes": 0,
    "version": "hubble-relay v1.17.6+g8f5e9c3",
    "flows_rate": 46.1234,
}


def status(**fields: Any) -> observer_pb2.ServerStatusResponse:
    return ParseDict(fields, observer_pb2.ServerStatusResponse())


def test_relay_is_told_with_its_nodes() -> None:
    assert status_lines(status(**RELAY)) == (
        "Current/Max Flows: 5,565/8,190 (67.95%)\nFlows/s: 46.12\nConnected Nodes: 2/2\n"
    )


def test_record_names_all_that_is_known() -> None:
    assert render_record(status_record(status(**RELAY))) == (
        "          NUM FLOWS: 5,565\n"
        "          MAX FLOWS: 8,190\n"
        "         SEEN FLOWS: 171,258\n"
        "   FLOWS PER SECOND: 46.12\n"
        "             UPTIME: 1h2m3s\n"
        "NUM CONNECTED NODES: 2\n"
        " NUM UNAVAIL. NODES: 0\n"
        "            VERSION: hubble-relay v1.17.6+g8f5e9c3\n"
    )


def test_table_has_a_row() -> None:
    header, row = render_table([status_row(status(**RELAY))]).splitlines()

    assert header == (
        "NUM FLOWS   MAX FLOWS   SEEN FLOWS   FLOWS PER SECOND   UPTIME   NUM CONNECTED NODES"
        "   NUM UNAVAILABLE NODES   VERSION"
    )
    assert row.split() == (
        [
            "5,565",
            "8,190",
            "171,258",
            "46.12",
            "1h2m3s",
            "2",
            "0",
            "hubble-relay",
            "v1.17.6+g8f5e9c3",
        ]
    )


def test_json_is_the_answer_in_one_line() -> None:
    assert message_line(status(**RELAY)) == (
        '{"num_flows":"5565","max_flows":"8190","seen_flows":"171258",'
        '"uptime_ns":"3723000000000","num_connected_nodes":2,"num_unavailable_nodes":0,'
        '"version":"hubble-relay v1.17.6+g8f5e9c3","flows_rate":46.1234}'
    )


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        ({}, "Current/Max Flows: 0/0\nFlows/s: N/A\n"),
        (
            {"seen_flows": 100, "uptime_ns": 50_000_000_000, "max_flows": 4095},
            "Current/Max Flows: 0/4,095 (0.00%)\nFlows/s: 2.00\n",
        ),
        (
            {
                "num_connected_nodes": 2,
                "num_unavailable_nodes": 3,
                "unavailable_nodes": ["k8s-w2"],
            },
            (
                "Current/Max Flows: 0/0\nFlows/s: N/A\nConnected Nodes: 2/5\n"
                "Unavailable Nodes: 3\n  - k8s-w2\n  - and 2 more...\n"
            ),
        ),
    ],
)
def test_what_is_not_known_is_not_made_up(fields: dict[str, Any], lines: str) -> None:
    assert status_lines(status(**fields)) == lines


def test_agent_has_no_nodes_and_no_rate_of_its_own() -> None:
    record = status_record(status(seen_flows=100, uptime_ns=1_600_000_000))

    assert record["FLOWS PER SECOND"] == "N/A"
    assert record["NUM CONNECTED NODES"] == "N/A"
    assert record["UPTIME"] == "2s"
