"""`cilium-dbg monitor`: what it asks the agent, what it shows, and how it ends."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from tests.unit.cli.test_event_text import event

from ciliate.api.monitor import SOCKET_NAME, MonitorAnswer
from ciliate.cli.agent_client import AgentUnreachableError
from ciliate.cli.dbg_monitor import EndpointNumberError, MonitorRefusedError, command
from ciliate.datapath.layout import Event, EventKind

ANSWER = MonitorAnswer(node="k8s-w1", record_bytes=Event.SIZE, epoch_offset_ns=0)
LOST = event(kind=EventKind.EVENT_LOST, bytes=5)

Run = Callable[..., Result]


@contextmanager
def agent(folder: Path, answer: bytes, octets: bytes) -> Iterator[list[bytes]]:
    """Answers one listener and ends the connection; yields what was asked."""
    asked: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / SOCKET_NAME))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(BrokenPipeError):  # It has seen enough.
                asked.append(connection.recv(4096))
                connection.sendall(answer + octets[:100])
                connection.sendall(octets[100:])

        thread = threading.Thread(target=serve)
        thread.start()
        yield asked
        thread.join(10)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("CILIUM_SOCK", str(tmp_path / "cilium.sock"))
    return lambda *words: CliRunner().invoke(command, words)


def answered(answer: MonitorAnswer) -> bytes:
    return msgspec.json.encode(answer) + b"\n"


def test_types_are_asked_for_and_endpoints_chosen_here(run: Run, tmp_path: Path) -> None:
    other = event(source_endpoint=8, source="10.244.1.6")
    octets = b"".join(each.pack() for each in (event(), other, LOST))
    with agent(tmp_path, answered(ANSWER), octets) as asked:
        result = run("-t", "trace", "-t", "drop", "--from", "7")

    assert json.loads(asked[0]) == {"types": ["trace", "drop"]}
    lines = result.stdout.splitlines()
    assert ["10.244.1.5:5000" in line for line in lines] == [True, False]
    assert lines[1].startswith("-- 5 events were lost")
    assert isinstance(result.exception, MonitorRefusedError)
    assert "the agent ended" in str(result.exception)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--to", "9"], 0),
        (["--to", "7"], 0),
        (["--related-to", "7,9"], 1),
        (["--related-to", "9"], 0),
        (["--from", "7", "--to", "9"], 0),
        (["-t", "drop"], 0),
        (["-t", "drop", "-t", "trace"], 1),
        ([], 1),
    ],
)
def test_every_option_has_to_let_an_event_through(
    run: Run, tmp_path: Path, words: list[str], shown: int
) -> None:
    with agent(tmp_path, answered(ANSWER), event().pack()):
        assert len(run(*words).stdout.splitlines()) == shown


def test_objects_stand_one_in_a_line(run: Run, tmp_path: Path) -> None:
    with agent(tmp_path, answered(ANSWER), event().pack() + LOST.pack()):
        lines = run("-j").stdout.splitlines()

    assert [json.loads(line)["type"] for line in lines] == ["trace", "lost"]
    assert json.loads(lines[0])["node"] == "k8s-w1"


def test_verbose_puts_the_time_before(run: Run, tmp_path: Path) -> None:
    with agent(tmp_path, answered(ANSWER), event().pack()):
        first, second = run("-v").stdout.splitlines()

    assert first.startswith("CPU 00: 1970-01-01T00:00:00")
    assert second.startswith("-> network")


def test_what_is_turned_off_is_said_on_standard_error(run: Run, tmp_path: Path) -> None:
    answer = msgspec.structs.replace(ANSWER, turned_off=("drop",))
    with agent(tmp_path, answered(answer), b""):
        result = run()

    assert "set bpf-events-drop-enabled to true" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (answered(MonitorAnswer(error="no such thing")), "monitor: no such thing"),
        (answered(msgspec.structs.replace(ANSWER, record_bytes=64)), "have 64 octets"),
        (b"hello\n", "answered something else"),
        (b"", "the agent ended the connection"),
    ],
)
def test_answer_that_cannot_be_used_is_told(
    run: Run, tmp_path: Path, answer: bytes, words: str
) -> None:
    with agent(tmp_path, answer, b""):
        result = run()

    assert isinstance(result.exception, MonitorRefusedError)
    assert words in str(result.exception)


def test_without_an_agent_it_says_whom_it_does_not_reach(run: Run) -> None:
    result = run()

    assert isinstance(result.exception, AgentUnreachableError)
    assert SOCKET_NAME in str(result.exception)


@pytest.mark.parametrize("text", ["pod", "0", "-1", "65536", "1.5"])
def test_endpoint_that_is_no_number_is_refused_before_the_agent_is_asked(
    run: Run, text: str
) -> None:
    result = run("--related-to", text)

    assert isinstance(result.exception, EndpointNumberError)
    assert "endpoint list" in str(result.exception)
