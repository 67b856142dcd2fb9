"""The zygote and its client, without namespaces: what needs root is in tests/lab."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ciliate.lab.errors import SpawnError, ZygoteGoneError
from ciliate.lab.spawn import Entry, SpawnRequest
from ciliate.lab.zygote import BACKLOG
from ciliate.lab.zygote_client import Child, ZygoteClient

_ZYGOTE = """
import os, socket, sys
from pathlib import Path
from ciliate.lab.cgroup import LabCgroup
from ciliate.lab.zygote import run_zygote
run_zygote(socket.socket(fileno=int(sys.argv[1])), LabCgroup(Path(sys.argv[2])), [])
"""


@pytest.fixture
async def zygote(tmp_path: Path) -> AsyncIterator[ZygoteClient]:
    """A zygote whose control group is a plain folder."""
    path = tmp_path / "zygote.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        listener.listen(BACKLOG)
        # As a background job of a shell has it, and what is started under nohup(1).
        words = ["env", "--ignore-signal=INT,QUIT,HUP"]
        words += [sys.executable, "-c", _ZYGOTE, str(listener.fileno()), str(tmp_path / "cgroup")]
        process = subprocess.Popen(words, pass_fds=[listener.fileno()])  # noqa: ASYNC220 - short.
    yield ZygoteClient(path)
    process.kill()
    process.wait()


async def start(client: ZygoteClient, request: SpawnRequest, output: int) -> Child:
    """Start a process with no input and its outputs in `output`."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        return await client.spawn(request, stdin=nothing, stdout=output, stderr=output)
    finally:
        os.close(nothing)


async def output_of(client: ZygoteClient, request: SpawnRequest) -> tuple[int, str]:
    """Exit code and output of a short process."""
    reader, writer = os.pipe()
    try:
        child = await start(client, request, writer)
    finally:
        os.close(writer)
    code = await child.wait()
    with os.fdopen(reader) as stream:
        return code, stream.read()


async def test_executed_command_gets_exactly_the_given_environment(zygote: ZygoteClient) -> None:
    request = SpawnRequest(argv=["env"], entry=Entry.EXEC, env={"PATH": "/usr/bin:/bin", "A": "1"})

    assert await output_of(zygote, request) == (0, "PATH=/usr/bin:/bin\nA=1\n")


#: 32 and 33, which glibc keeps for its threads and lets nobody set (signal(7)).
_GLIBC_S = 3 << 31


async def test_executed_command_ignores_no_signal(zygote: ZygoteClient) -> None:
    request = SpawnRequest(
        argv=["grep", "SigIgn", "/proc/self/status"],
        entry=Entry.EXEC,
        env={"PATH": "/usr/bin:/bin"},
    )

    code, text = await output_of(zygote, request)
    assert code == 0
    assert not int(text.removeprefix("SigIgn:"), 16) & ~_GLIBC_S


async def test_exit_code_of_a_command_is_reported(zygote: ZygoteClient) -> None:
    request = SpawnRequest(argv=["sh", "-c", "exit 7"], entry=Entry.EXEC, env={"PATH": "/bin"})

    assert await output_of(zygote, request) == (7, "")


async def test_unknown_command_is_a_spawn_error_with_code_127(zygote: ZygoteClient) -> None:
    request = SpawnRequest(argv=["no-such"], entry=Entry.EXEC, env={"PATH": "/bin"})

    with pytest.raises(SpawnError, match="no such command") as raised:
        await start(zygote, request, 2)
    assert raised.value.code == 127


async def test_missing_namespace_is_a_spawn_error_that_names_it(zygote: ZygoteClient) -> None:
    request = SpawnRequest(argv=["true"], entry=Entry.EXEC, pins="/nonexistent/ns")

    with pytest.raises(SpawnError, match="/nonexistent/ns"):
        await start(zygote, request, 2)


async def test_python_function_runs_without_exec(zygote: ZygoteClient) -> None:
    request = SpawnRequest(argv=["platform:system"], entry=Entry.CALL)

    code, text = await output_of(zygote, request)

    # It takes no arguments: the traceback shows that it was called, in the forked interpreter.
    assert code == 1
    assert "TypeError" in text


async def test_killed_process_reports_minus_the_signal(zygote: ZygoteClient) -> None:
    request = SpawnRequest(argv=["sleep", "60"], entry=Entry.EXEC, env={"PATH": "/bin"})
    child = await start(zygote, request, 2)

    child.kill(signal.SIGKILL)

    assert await child.wait() == -signal.SIGKILL
    assert await child.wait() == -signal.SIGKILL, "asking twice gives the same answer"


async def test_process_outlives_a_client_that_leaves(zygote: ZygoteClient) -> None:
    request = SpawnRequest(argv=["cat"], entry=Entry.EXEC, env={"PATH": "/bin"})
    ours, theirs = socket.socketpair()
    child = await zygote.spawn(
        request, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=theirs.fileno()
    )
    theirs.close()

    child.close()

    ours.sendall(b"still here")
    assert ours.recv(64) == b"still here"
    ours.close()


async def test_many_processes_start_at_once(zygote: ZygoteClient) -> None:
    request = SpawnRequest(argv=["sh", "-c", "echo $$"], entry=Entry.EXEC, env={"PATH": "/bin"})

    results = await asyncio.gather(*(output_of(zygote, request) for _ in range(50)))

    assert {code for code, _ in results} == {0}
    assert len({text for _, text in results}) == 50


async def test_extra_sockets_become_descriptors_from_three_on(zygote: ZygoteClient) -> None:
    reader, writer = os.pipe()
    extra_reader, extra_writer = os.pipe()
    request = SpawnRequest(
        argv=["sh", "-c", "echo $LISTEN_FDS >&3"], entry=Entry.EXEC, env={"PATH": "/bin"}
    )

    child = await zygote.spawn(
        request, stdin=reader, stdout=writer, stderr=writer, sockets=(extra_writer,)
    )
    os.close(extra_writer)

    assert await child.wait() == 0
    with os.fdopen(extra_reader) as stream:
        assert stream.read() == "1\n"
    os.close(reader)
    os.close(writer)


async def test_absent_zygote_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    client = ZygoteClient(tmp_path / "none.sock")

    with pytest.raises(ZygoteGoneError, match="ciliate lab down"):
        await start(client, SpawnRequest(argv=["true"]), 2)
