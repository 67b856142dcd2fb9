"""Flows out of a file: the same flags find the same flows."""

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.unit.cli.hubble.sample_flows import DROP, SOCKET, SYN, SYN_ACK, lost, node_status

from ciliate.cli.hubble.flow_file import FlowFileError, read_flows
from ciliate.cli.hubble.flow_filters import Filters, FlagUse, flow_filters
from ciliate.cli.hubble.selection import Selection
from ciliate.flows.message_json import message_line
from ciliate.flows.pb.observer import observer_pb2

FLOWS = (SOCKET, SYN, SYN_ACK, DROP)
ALL = Selection()
Responses = Sequence[observer_pb2.GetFlowsResponse]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "flows.json"
    file.write_text("".join(f"{message_line(each)}\n" for each in FLOWS))
    return file


def read(path: Path, selection: Selection = ALL, *uses: FlagUse) -> Responses:
    return list(read_flows(str(path), selection, flow_filters(uses)))


def test_what_was_written_is_read(path: Path) -> None:
    assert read(path) == list(FLOWS)


def test_filters_are_the_servers(path: Path) -> None:
    assert read(path, ALL, FlagUse("verdict", "DROPPED")) == [DROP]
    assert read(
        path, ALL, FlagUse("to-pod", "webpod"), FlagUse("verdict", "DROPPED", negated=True)
    ) == [SYN]


@pytest.mark.parametrize(
    ("selection", "found"),
    [
        (Selection(number=2), (SYN_ACK, DROP)),
        (Selection(number=2, first=True), (SOCKET, SYN)),
        (Selection(since=SYN.time), (SYN, SYN_ACK, DROP)),
        (Selection(until=SYN.time), (SOCKET, SYN)),
        (Selection(number=1, since=SYN.time), (SYN,)),
        (Selection(number=(1 << 64) - 1), FLOWS),
        (Selection(number=1, follow=True), FLOWS),
    ],
)
def test_count_and_time_select(path: Path, selection: Selection, found: Responses) -> None:
    assert read(path, selection) == list(found)


def test_other_answers_pass_and_events_of_agents_do_not(tmp_path: Path) -> None:
    others = [lost(1, num_events_lost=1), node_status("NODE_GONE", ["a"])]
    path = tmp_path / "export.log"
    lines = [*map(message_line, others), '{"agent_event":{}}', "", '{"debug_event":{}}']
    path.write_text("\n".join(lines))

    assert read(path, ALL, FlagUse("verdict", "DROPPED")) == others


def test_flow_without_what_is_around_it_is_an_answer_too(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(message_line(SYN.flow))

    assert read(path) == [SYN]


def test_fields_of_a_newer_server_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "new.json"
    path.write_text('{"flow":{"uuid":"1","brand_new":{"a":1}}}')

    assert [each.flow.uuid for each in read(path)] == ["1"]


@pytest.mark.parametrize("broken", ["nope", "[1]", '{"flow":1}', '{"flow":{"uuid":1}}'])
def test_line_that_is_no_flow_is_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    path = tmp_path / "some.json"
    path.write_text(f"{message_line(SYN)}\n{broken}\n{message_line(DROP)}\n")

    assert read(path) == [SYN, DROP]
    assert f"{path}:2: no flow, left out: " in capsys.readouterr().err


def test_standard_input_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    text = io.TextIOWrapper(io.BytesIO(message_line(SYN).encode()))
    monkeypatch.setattr("sys.stdin", text)

    assert read(Path("-")) == [SYN]


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FlowFileError, match="No such file"):
        list(read_flows(str(tmp_path / "x"), Selection(), Filters()))
