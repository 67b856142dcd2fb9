"""The plugin in C: with an agent, without one, with one that dies, with bad input.

Built with address and undefined-behaviour sanitizers; what they find ends it with their report.
"""

import contextlib
import fcntl
import json
import os
import random
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ciliate.cni.frame import Frame, parse_frame, render_answer
from ciliate.cni.version import SUPPORTED_VERSIONS

_CONFIG = {"cniVersion": "1.0.0", "name": "cilium", "type": "ciliate-cni", "token": "s3cret"}
_STDIN = json.dumps(_CONFIG).encode()


@dataclass(frozen=True)
class Outcome:
    """What a runtime gets back."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    took_s: float

    @property
    def document(self) -> Any:
        """The JSON on stdout."""
        return json.loads(self.stdout)


@dataclass(frozen=True)
class Runtime:
    """Calls the plugin as a container runtime does."""

    plugin: Path
    socket: Path
    queue: Path

    def call(
        self, command: str | None, *, stdin: bytes = _STDIN, wait_ms: int = 0, **variables: str
    ) -> Outcome:
        """Run one operation of container "abc", eth0; let it wait `wait_ms` for the agent."""
        environment = {
            "CNI_CONTAINERID": "abc",
            "CNI_IFNAME": "eth0",
            "CNI_NETNS": "/run/netns/pod",
            "CILIATE_CNI_SOCK": str(self.socket),
            "CILIATE_CNI_QUEUE": str(self.queue),
            "CILIATE_CNI_WAIT_MS": str(wait_ms),
            "OTHER": "not for the agent",
            **variables,
        }
        if command is not None:
            environment["CNI_COMMAND"] = command
        start = time.monotonic()
        done = subprocess.run(
            [str(self.plugin)],
            check=False,
            input=stdin,
            capture_output=True,
            env=environment,
            timeout=60,
        )
        return Outcome(done.returncode, done.stdout, done.stderr, time.monotonic() - start)

    def queued(self) -> list[str]:
        """Return the names of queue entries."""
        if not self.queue.exists():
            return []
        return sorted(name for name in os.listdir(self.queue) if name != "lockfile")


@pytest.fixture
def runtime(plugin: Path, tmp_path: Path) -> Runtime:
    return Runtime(plugin, tmp_path / "run" / "cni.sock", tmp_path / "run" / "deleteQueue")


@contextlib.contextmanager
def agent(
    path: Path, answer: Callable[[socket.socket, Frame | None], None]
) -> Iterator[list[Frame]]:
    """Serve one connection after the other; `answer` does the rest. Yield the requests read."""
    path.parent.mkdir(exist_ok=True)
    frames: list[Frame] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    frame = _read(connection)
                    if frame is not None:
                        frames.append(frame)
                    answer(connection, frame)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield frames
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _read(connection: socket.socket) -> Frame | None:
    connection.settimeout(10)
    with connection.makefile("rb") as stream:
        head = stream.read(8)
        if len(head) < 8:
            return None
        rest = stream.read(int.from_bytes(head[4:], "big") + 4)
        return parse_frame(head + rest + stream.read(int.from_bytes(rest[-4:], "big")))


def _saying(exit_code: int, text: bytes) -> Callable[[socket.socket, Frame | None], None]:
    def answer(connection: socket.socket, _: Frame | None) -> None:
        connection.sendall(render_answer(exit_code, text))

    return answer


def _dying(connection: socket.socket, _: Frame | None) -> None:
    connection.close()


def test_request_and_answer_pass_unchanged(runtime: Runtime) -> None:
    with agent(runtime.socket, _saying(0, b'{"ips":[]}\n')) as frames:
        outcome = runtime.call("ADD", CNI_ARGS="K8S_POD_NAME=ü;X=1")

    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (0, b'{"ips":[]}\n', b"")
    (frame,) = frames
    assert frame.stdin == _STDIN
    assert frame.environment == {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "abc",
        "CNI_IFNAME": "eth0",
        "CNI_NETNS": "/run/netns/pod",
        "CNI_ARGS": "K8S_POD_NAME=ü;X=1",
    }


def test_agents_exit_code_and_error_are_passed_on(runtime: Runtime) -> None:
    with agent(runtime.socket, _saying(1, b'{"code":7}')):
        outcome = runtime.call("ADD")

    assert (outcome.exit_code, outcome.stdout) == (1, b'{"code":7}')


def test_longest_answer_and_longest_stdin_pass(runtime: Runtime) -> None:
    text = b"x" * (1 << 20)
    stdin = _STDIN + b" " * ((1 << 20) - len(_STDIN))
    with agent(runtime.socket, _saying(0, text)) as frames:
        outcome = runtime.call("ADD", stdin=stdin)

    assert outcome.stdout == text
    assert frames[0].stdin == stdin


def test_version_needs_no_agent(runtime: Runtime) -> None:
    outcome = runtime.call("VERSION")

    assert outcome.exit_code == 0
    assert outcome.document == {
        "cniVersion": "1.0.0",
        "supportedVersions": list(SUPPORTED_VERSIONS),
    }


@pytest.mark.parametrize(
    ("command", "code"), [("ADD", 11), ("CHECK", 11), ("GC", 11), ("STATUS", 50)]
)
def test_absent_agent_is_an_error_to_try_again(runtime: Runtime, command: str, code: int) -> None:
    outcome = runtime.call(command)

    assert outcome.exit_code == 1
    assert outcome.document["code"] == code
    assert outcome.document["cniVersion"] == "1.0.0"
    assert str(runtime.socket) in outcome.document["msg"]
    assert "try again" in outcome.document["msg"]


@pytest.mark.parametrize(
    ("command", "code"), [("ADD", 11), ("CHECK", 11), ("GC", 11), ("STATUS", 50)]
)
def test_agent_that_dies_in_mid_request_is_an_error_to_try_again(
    runtime: Runtime, command: str, code: int
) -> None:
    with agent(runtime.socket, _dying):
        outcome = runtime.call(command)

    assert (outcome.exit_code, outcome.document["code"]) == (1, code)
    assert f"went away during {command}" in outcome.document["msg"]


def test_agent_that_dies_in_mid_answer_leaves_no_half_result(runtime: Runtime) -> None:
    def half(connection: socket.socket, _: Frame | None) -> None:
        connection.sendall(render_answer(0, b'{"ips":[]}')[:-3])

    with agent(runtime.socket, half):
        outcome = runtime.call("ADD")

    assert outcome.document["code"] == 11


def test_answer_longer_than_any_is_refused(runtime: Runtime) -> None:
    def boast(connection: socket.socket, _: Frame | None) -> None:
        connection.sendall(b"\0\xff\xff\xff\xff")

    with agent(runtime.socket, boast):
        outcome = runtime.call("ADD")

    assert outcome.document["code"] == 11


def test_agent_that_comes_within_the_wait_is_found(runtime: Runtime) -> None:
    with contextlib.ExitStack() as late:
        timer = threading.Timer(
            0.2, lambda: late.enter_context(agent(runtime.socket, _saying(0, b"done")))
        )
        timer.start()
        outcome = runtime.call("ADD", wait_ms=10_000)
        timer.join()

    assert outcome.stdout == b"done"


def test_wait_for_an_absent_agent_ends(runtime: Runtime) -> None:
    outcome = runtime.call("ADD", wait_ms=200)

    assert outcome.document["code"] == 11
    assert 0.2 <= outcome.took_s < 5


def test_deletion_without_agent_succeeds_and_is_queued(runtime: Runtime) -> None:
    runtime.socket.parent.mkdir()

    outcome = runtime.call("DEL")

    assert (outcome.exit_code, outcome.stdout) == (0, b"")
    assert runtime.queued() == ["abc-eth0.delete"]
    entry = runtime.queue / "abc-eth0.delete"
    frame = parse_frame(entry.read_bytes())
    assert frame.environment["CNI_COMMAND"] == "DEL"
    assert frame.stdin == _STDIN
    assert entry.stat().st_mode & 0o777 == 0o600
    assert runtime.queue.stat().st_mode & 0o777 == 0o700


def test_deletion_queues_even_where_no_agent_ever_ran(runtime: Runtime) -> None:
    assert runtime.call("DEL").exit_code == 0
    assert runtime.queued() == ["abc-eth0.delete"]


def test_repeated_deletion_is_queued_once(runtime: Runtime) -> None:
    runtime.call("DEL")
    runtime.call("DEL")
    runtime.call("DEL", CNI_IFNAME="eth1")

    assert runtime.queued() == ["abc-eth0.delete", "abc-eth1.delete"]


def test_deletion_whose_agent_dies_is_queued(runtime: Runtime) -> None:
    with agent(runtime.socket, _dying):
        outcome = runtime.call("DEL")

    assert outcome.exit_code == 0
    assert runtime.queued() == ["abc-eth0.delete"]


def test_full_queue_is_an_error_but_takes_what_it_has_already(runtime: Runtime) -> None:
    runtime.queue.mkdir(parents=True)
    for number in range(255):
        (runtime.queue / f"c{number}-eth0.delete").touch()
    assert runtime.call("DEL").exit_code == 0

    full = runtime.call("DEL", CNI_CONTAINERID="one-more")
    again = runtime.call("DEL")

    assert (full.exit_code, full.document["code"]) == (1, 11)
    assert "too many entries" in full.document["msg"]
    assert again.exit_code == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CNI_CONTAINERID", ""),
        ("CNI_CONTAINERID", "../../../etc/cron.d/x"),
        ("CNI_CONTAINERID", ".hidden"),
        ("CNI_CONTAINERID", "a" * 201),
        ("CNI_IFNAME", ""),
        ("CNI_IFNAME", "../x"),
        ("CNI_IFNAME", "sixteen-bytes-xx"),
        ("CNI_IFNAME", "a b"),
        ("CNI_IFNAME", ".."),
    ],
)
def test_queue_entry_never_leads_elsewhere(runtime: Runtime, name: str, value: str) -> None:
    variables: dict[str, Any] = {name: value}
    outcome = runtime.call("DEL", **variables)

    assert (outcome.exit_code, outcome.document["code"]) == (1, 4)
    assert runtime.queued() == []


def test_deletion_waits_for_a_starting_agent_and_asks_it(runtime: Runtime) -> None:
    """The agent holds the lock alone, empties the queue, listens, lets go."""
    runtime.queue.mkdir(parents=True)
    lock = os.open(runtime.queue / "lockfile", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with contextlib.ExitStack() as served:
        frames: list[list[Frame]] = []

        def listen() -> None:
            frames.append(served.enter_context(agent(runtime.socket, _saying(0, b""))))
            os.close(lock)

        timer = threading.Timer(0.2, listen)
        timer.start()
        outcome = runtime.call("DEL")
        timer.join()

    assert outcome.exit_code == 0
    assert len(frames[0]) == 1
    assert runtime.queued() == []


@pytest.mark.parametrize("size", [(1 << 20) + 1, 10 << 20])
@pytest.mark.parametrize("command", ["ADD", "DEL", "VERSION"])
def test_stdin_beyond_the_bound_is_code_6(runtime: Runtime, size: int, command: str) -> None:
    outcome = runtime.call(command, stdin=_STDIN + b"x" * (size - len(_STDIN)))

    assert outcome.exit_code == 1
    assert outcome.document["code"] == 6
    assert outcome.document["cniVersion"] == "1.0.0"
    assert b"s3cret" not in outcome.stdout + outcome.stderr


def test_missing_command_is_code_4(runtime: Runtime) -> None:
    assert runtime.call(None).document["code"] == 4


def test_environment_beyond_the_bound_is_code_4(runtime: Runtime) -> None:
    assert runtime.call("ADD", CNI_ARGS="x" * 70_000).document["code"] == 4


def test_path_of_a_socket_too_long_is_code_4(runtime: Runtime) -> None:
    assert runtime.call("ADD", CILIATE_CNI_SOCK="/" + "x" * 200).document["code"] == 4


def test_error_stays_json_whatever_the_path(runtime: Runtime) -> None:
    outcome = runtime.call("ADD", CILIATE_CNI_SOCK='/run/"\\\n/cni.sock')

    assert outcome.document["code"] == 11


@pytest.mark.parametrize(
    ("stdin", "version"),
    [
        (b'{"cniVersion" : "0.4.0"}', "0.4.0"),
        (b'{"cniVersion":"0.3.1', "1.1.0"),
        (b'{"cniVersion":"', "1.1.0"),
        (b'{"cniVersion"', "1.1.0"),
        (b'{"cniVersion":"s3cret"}', "1.1.0"),
        (b'{"cniVersion":"1.0.0\\",\\"x"}', "1.1.0"),
        (b'{"cniVersion":"11111111111111111111"}', "1.1.0"),
        (b'{"cniVersion":"9.9.9"}', "1.1.0"),
        (b'{"cniVersion":"0.1.0"}', "0.1.0"),
        (b'{"cniVersion":""}', "0.1.0"),
        (b'{"name":"cilium"}', "0.1.0"),
        (b"", "1.1.0"),
        (b"\xff\x00not json", "1.1.0"),
    ],
)
def test_version_of_an_error_is_the_one_of_stdin(
    runtime: Runtime, stdin: bytes, version: str
) -> None:
    outcome = runtime.call("ADD", stdin=stdin)

    assert outcome.document["cniVersion"] == version
    assert outcome.document["code"] == 11


def test_noise_on_stdin_never_breaks_it(runtime: Runtime) -> None:
    """A fixed seed: a failure can be repeated."""
    dice = random.Random(7)
    pieces = [b'"cniVersion"', b'"', b":", b"1.1.0", b" ", b"\0", b"\xff", b"{", b"a" * 300]
    for _ in range(60):
        stdin = b"".join(dice.choices(pieces, k=dice.randrange(12)))
        outcome = runtime.call(dice.choice(("ADD", "STATUS", "VERSION")), stdin=stdin)
        assert outcome.stderr == b""
        assert set(outcome.document) <= {"cniVersion", "code", "msg", "supportedVersions"}


def test_noise_from_the_agent_never_breaks_it(runtime: Runtime) -> None:
    dice = random.Random(11)

    def noise(connection: socket.socket, _: Frame | None) -> None:
        connection.sendall(dice.randbytes(dice.randrange(1, 64)))

    with agent(runtime.socket, noise):
        for _ in range(60):
            outcome = runtime.call("ADD")
            assert outcome.stderr == b""
            assert 0 <= outcome.exit_code <= 255
