"""`hubble observe` with a server that answers: what it is asked, what is printed, how it ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result
from tests.unit.cli.hubble.running_server import Answers, running
from tests.unit.cli.hubble.sample_flows import DROP, SYN, SYN_ACK, at, lost, node_status

from ciliate.cli.hubble.errors import (
    CallFailedError,
    FlagConflictError,
    FlagError,
    ServerUnreachableError,
)
from ciliate.cli.hubble.filter_options import TrailingNotError
from ciliate.cli.hubble.observe import command
from ciliate.flows.message_json import message_line, message_object
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2

BIN = Path(sys.prefix) / "bin"

Run = Callable[..., Result]


@pytest.fixture
def answers() -> Answers:
    return Answers(flows=[SYN, SYN_ACK])


@pytest.fixture
def run(answers: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    with running(answers, tmp_path) as address:
        monkeypatch.setenv("HUBBLE_SERVER", address)
        yield lambda *words: CliRunner().invoke(command, words)


def asked(answers: Answers) -> dict[str, Any]:
    return message_object(answers.asked[-1])


def test_newest_twenty_are_printed_in_lines(run: Run, answers: Answers) -> None:
    result = run()

    assert [line[:20] for line in result.stdout.splitlines()] == [
        "Aug  2 07:11:40.496:",
        "Aug  2 07:11:40.497:",
    ]
    assert (result.stderr, result.exit_code) == ("", 0)
    request = answers.asked[0]
    assert [field.name for field, _ in request.ListFields()] == ["number", "field_mask"]
    assert getattr(request, "number", 0) == 20


def test_lines_ask_for_the_fields_that_they_show(run: Run, answers: Answers) -> None:
    run()

    request = answers.asked[-1]
    assert isinstance(request, observer_pb2.GetFlowsRequest)
    paths = set(request.field_mask.paths)
    assert {"time", "source.pod_name", "IP", "Summary", "ip_trace_id"} <= paths
    assert {"sock_xlate_point", "policy_match_type", "traffic_direction"} <= paths
    assert not {path for path in paths if path.split(".")[0] not in _fields(flow_pb2.Flow)}


def test_json_may_ask_for_some_fields_alone(run: Run, answers: Answers) -> None:
    run("-o", "json", "--field-mask", "time,IP.source", "--field-mask", "uuid")

    request = answers.asked[0]
    assert isinstance(request, observer_pb2.GetFlowsRequest)
    assert request.field_mask.paths == ["time", "IP.source", "uuid"]


def test_flow_without_a_form_in_json_is_told_of_and_left_out(run: Run, answers: Answers) -> None:
    odd = observer_pb2.GetFlowsResponse()
    odd.flow.extensions.type_url = "type.googleapis.com/vendor.Thing"
    odd.flow.extensions.value = b"1"
    answers.flows.insert(0, odd)

    result = run("-o", "json")

    assert len(result.stdout.splitlines()) == 2
    assert "vendor.Thing" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def _fields(kind: Any) -> set[str]:
    return {field.name for field in kind.DESCRIPTOR.fields}


@pytest.mark.parametrize(
    ("words", "question"),
    [
        (["-o", "json"], {"number": "20"}),
        (["-o=jsonpb", "--all"], {"number": "18446744073709551615"}),
        (["-o", "json", "--first", "3"], {"number": "3", "first": True}),
        (
            ["-o", "json", "--since", "2025-08-02T07:11:40Z", "--until", "2025-08-03"],
            {"since": "2025-08-02T07:11:40Z", "until": "2025-08-03T00:00:00Z"},
        ),
        (
            ["-ojson", "--pod", "a/b", "--not", "-n", "kube-system", "--verdict", "DROPPED"],
            {
                "number": "20",
                "blacklist": [
                    {"source_pod": ["kube-system/"]},
                    {"destination_pod": ["kube-system/"]},
                ],
                "whitelist": [
                    {"source_pod": ["a/b"], "verdict": ["DROPPED"]},
                    {"destination_pod": ["a/b"], "verdict": ["DROPPED"]},
                ],
            },
        ),
        (
            ["-ojson", "-tdrop", "-4", "--not", "-f", "-t", "l7", "--to-port=80", "-lapp=x"],
            {
                "follow": True,
                "blacklist": [{"event_type": [{"type": 129}]}],
                "whitelist": [
                    {
                        "source_label": ["app=x"],
                        "destination_port": ["80"],
                        "event_type": [{"type": 1}],
                        "ip_version": ["IPv4"],
                    },
                    {
                        "destination_label": ["app=x"],
                        "destination_port": ["80"],
                        "event_type": [{"type": 1}],
                        "ip_version": ["IPv4"],
                    },
                ],
            },
        ),
        (
            ["-ojson", "--allowlist", '{"uuid":["1"]}', "--denylist", '{"uuid":["2"]}'],
            {"number": "20", "blacklist": [{"uuid": ["2"]}], "whitelist": [{"uuid": ["1"]}]},
        ),
        (["flows", "-ojson", "--uuid", "1"], {"number": "20", "whitelist": [{"uuid": ["1"]}]}),
        (["-ojson", "--uuid", "1", "flows"], {"number": "20", "whitelist": [{"uuid": ["1"]}]}),
    ],
)
def test_flags_are_what_the_server_is_asked(
    run: Run, answers: Answers, words: list[str], question: dict[str, Any]
) -> None:
    result = run(*words)

    assert result.exception is None
    assert asked(answers) == question


def test_json_has_an_answer_in_each_line(run: Run, answers: Answers) -> None:
    answers.flows.append(lost(600, source="HUBBLE_RING_BUFFER", num_events_lost=5))
    answers.flows.append(node_status("NODE_UNAVAILABLE", ["k8s-w2"]))

    result = run("-o", "json")

    assert result.stdout.splitlines() == [message_line(each) for each in answers.flows[:3]]
    assert result.stderr.splitlines() == [message_line(answers.flows[3])]


def test_json_of_old_is_the_flow_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBBLE_COMPAT", "legacy-json-output")

    assert run("-o", "json").stdout.splitlines()[0] == message_line(SYN.flow)


def test_records_are_separated_and_a_table_has_one_header(run: Run, answers: Answers) -> None:
    answers.flows.append(lost(600, source="HUBBLE_RING_BUFFER", num_events_lost=5))

    records = run("-o", "dict").stdout
    table = run("-o", "tab", "--print-node-name").stdout.splitlines()

    assert records.count("------------\n") == 2
    assert not records.endswith("------------\n")
    assert table[0].split() == [
        *("TIMESTAMP", "NODE", "SOURCE", "DESTINATION", "TYPE", "VERDICT", "SUMMARY")
    ]
    assert len(table) == 4
    assert "EVENTS LOST" in table[3]


def test_what_a_relay_says_of_nodes_goes_to_standard_error(run: Run, answers: Answers) -> None:
    answers.flows = [
        node_status("NODE_CONNECTED", ["k8s-ctr"]),
        node_status("NODE_UNAVAILABLE", ["k8s-w2"]),
        SYN,
    ]

    assert "1 nodes are unavailable: k8s-w2" in run().stderr
    assert len(run().stderr.splitlines()) == 1
    assert len(run("--debug").stderr.splitlines()) == 2
    assert run("-s").stderr == ""
    assert run("-o", "dict").stderr.splitlines()[1] == "    STATE: NODE_UNAVAILABLE"
    assert len(run().stdout.splitlines()) == 1


def test_names_and_times_look_as_they_are_asked_for(run: Run) -> None:
    assert "10.244.1.5:41394" in run("--numeric").stdout
    assert "10.244.1.5:41394" in run("--ip-translation=false").stdout
    assert "default/curl-pod:41394" in run("--ip-translation").stdout
    assert run("--time-format", "RFC3339Nano").stdout.startswith("2025-08-02T07:11:40.496123456Z:")


def test_colours_are_for_terminals_or_asked_for(run: Run) -> None:
    assert "\x1b" not in run().stdout
    assert "\x1b[36m" in run("--color", "always").stdout
    assert "\x1b" not in run("--color", "always", "-o", "table").stdout
    assert "\x1b" not in run("--color", "always", "-o", "json").stdout


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["-f", "-o", "table"], FlagConflictError),
        (["--first", "1", "-f"], FlagConflictError),
        (["--field-mask", "time"], FlagConflictError),
        (["--pod", "a", "--ip", "1.1.1.1"], FlagConflictError),
        (["--pod", "a", "--not"], TrailingNotError),
        (["--pod", "a", "--not", "flows"], TrailingNotError),
        (["-o", "yaml"], FlagError),
        (["--since", "yesterday"], FlagError),
    ],
)
def test_contradiction_is_refused_before_anybody_is_asked(
    run: Run, answers: Answers, words: list[str], refusal: type[Exception]
) -> None:
    assert isinstance(run(*words).exception, refusal)
    assert answers.asked == []


def test_raw_filters_are_printed_without_a_server() -> None:
    result = CliRunner().invoke(
        command, ["--server", "nowhere:1", "--to-pod", "curl-pod", "--print-raw-filters"]
    )

    assert result.stdout == 'allowlist:\n    - \'{"destination_pod":["curl-pod"]}\'\n'


def test_file_is_read_whole_and_without_a_server(tmp_path: Path) -> None:
    path = tmp_path / "flows.json"
    path.write_text("".join(f"{message_line(each)}\n" for each in [SYN, DROP] * 15))
    words = ["--server", "nowhere:1", "--input-file", str(path)]

    assert len(CliRunner().invoke(command, words).stdout.splitlines()) == 30
    dropped = CliRunner().invoke(command, [*words, "--verdict", "DROPPED", "--last", "3"])
    assert len(dropped.stdout.splitlines()) == 3
    table = CliRunner().invoke(command, ["-o", "table", "--input-file", "-"], path.read_bytes())
    assert len(table.stdout.splitlines()) == 31


def test_servers_refusal_speaks_for_itself(run: Run, answers: Answers) -> None:
    words = 'invalid protocol filter: unknown protocol: "foo"'
    answers.failure = (grpc.StatusCode.UNKNOWN, words)

    result = run("--protocol", "foo")

    assert isinstance(result.exception, CallFailedError)
    assert str(result.exception) == words
    assert len(result.stdout.splitlines()) == 2


def test_other_errors_name_their_code(run: Run, answers: Answers) -> None:
    answers.failure = (grpc.StatusCode.INVALID_ARGUMENT, "first cannot be specified with follow")

    assert str(run().exception) == (
        "rpc error: code = InvalidArgument desc = first cannot be specified with follow"
    )


def test_server_that_breaks_off_is_not_one_that_was_not_reached(
    run: Run, answers: Answers
) -> None:
    answers.failure = (grpc.StatusCode.UNAVAILABLE, "going away")

    assert str(run().exception) == "rpc error: code = Unavailable desc = going away"


def test_server_that_is_not_there_is_named_with_a_remedy(tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/hubble.sock"

    result = CliRunner().invoke(command, ["--server", address])

    assert isinstance(result.exception, ServerUnreachableError)
    assert address in str(result.exception)
    assert "--server" in str(result.exception)
    assert "\n" not in str(result.exception)


def test_newer_server_is_told_of_once(run: Run, answers: Answers) -> None:
    answers.headers = (("hubble-relay-version", "1.99.0+g1a2b3c"),)

    result = run()

    assert result.stderr.startswith("the server speaks Hubble's API of 1.99.0+g1a2b3c")
    assert len(result.stderr.splitlines()) == 1
    assert len(result.stdout.splitlines()) == 2


def test_agents_events_and_debug_messages_have_calls_of_their_own(
    run: Run, answers: Answers
) -> None:
    event = flow_pb2.AgentEvent(type=flow_pb2.POLICY_DELETED)
    answers.agent_events = [observer_pb2.GetAgentEventsResponse(agent_event=event, time=at(1))]
    message = flow_pb2.DebugEvent(message="x")
    answers.debug_events = [observer_pb2.GetDebugEventsResponse(debug_event=message, time=at(1))]

    assert run("agent-events").stdout == "Aug  2 07:11:40.001: POLICY_DELETED\n"
    assert asked(answers) == {"number": "20"}
    lines = run("debug-events", "--last", "5", "-o", "table").stdout.splitlines()
    assert lines[0].split() == ["TIMESTAMP", "FROM", "TYPE", "MARK", "CPU", "MESSAGE"]
    assert asked(answers) == {"number": "5"}
    assert json.loads(run("agent-events", "-o", "json").stdout)["agent_event"]


def test_following_ends_quietly_when_it_is_interrupted(tmp_path: Path) -> None:
    answers = Answers(flows=[SYN], follows=True)
    with running(answers, tmp_path) as address:
        process = subprocess.Popen(
            # A shell's background job, as tests may be, ignores SIGINT, and so would what it starts.
            [
                "env",
                "--default-signal",
                BIN / "ciliate",
                "hubble",
                "observe",
                "-f",
                "--server",
                address,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert "default/curl-pod:41394" in process.stdout.readline()  # While it goes on.

        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)

        assert (out, err, process.returncode) == ("", "", 0)
        assert answers.left.wait(30)


def test_reader_that_leaves_early_ends_the_stream(tmp_path: Path) -> None:
    answers = Answers(flows=[SYN] * 10_000, follows=True)
    with running(answers, tmp_path) as address:
        done = subprocess.run(
            ["sh", "-c", f"'{BIN}/ciliate' hubble observe -f --server {address} | head -n 1"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )

        assert done.stderr == ""
        assert answers.left.wait(30)
