"""Another plugin run on the runtime's behalf: its input, and each way it may end."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest

from ciliate.cni.call import Call
from ciliate.cni.delegate import Delegate
from ciliate.cni.errors import CniCode, CniError
from ciliate.cni.request import Verb

SECRET = "password-of-the-back-end"
STDIN = json.dumps({"cniVersion": "1.0.0", "ipam": {"type": "ours", "token": SECRET}}).encode()


def plugin(directory: Path, script: str, *, name: str = "ours") -> Call:
    """A plugin of a shell script, and a call that names it."""
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    environment = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "abc",
        "CNI_IFNAME": "eth0",
        "CNI_PATH": f"/nonexistent:{directory}",
    }
    return Call(environment, STDIN, name)


async def failure(call: Call, verb: Verb = Verb.ADD, *, time_limit_s: float = 10) -> CniError:
    """How the plugin reports its failure."""
    with pytest.raises(CniError) as caught:
        await Delegate(time_limit_s=time_limit_s).run(call, verb)
    return caught.value


async def test_plugin_gets_environment_and_stdin_and_its_result_is_returned(
    tmp_path: Path,
) -> None:
    call = plugin(tmp_path, f"env > {tmp_path}/env; cat > {tmp_path}/stdin; echo '{{\"ips\":[]}}'")

    assert await Delegate().run(call, Verb.ADD) == {"ips": []}

    environment = (tmp_path / "env").read_text().splitlines()
    assert {"CNI_COMMAND=ADD", "CNI_CONTAINERID=abc", "CNI_IFNAME=eth0"} <= set(environment)
    assert (tmp_path / "stdin").read_bytes() == STDIN


async def test_verb_is_the_one_asked_for_not_the_runtimes(tmp_path: Path) -> None:
    call = plugin(tmp_path, f"echo $CNI_COMMAND > {tmp_path}/verb")

    assert await Delegate().run(call, Verb.DEL) == {}

    assert (tmp_path / "verb").read_text() == "DEL\n"


async def test_directories_of_the_runtime_are_looked_up_where_this_process_sees_them(
    tmp_path: Path,
) -> None:
    call = plugin(tmp_path, "echo '{}'")
    elsewhere = Call({**call.environment, "CNI_PATH": "/opt/elsewhere"}, STDIN, "ours")

    assert await Delegate(lambda _: tmp_path).run(elsewhere, Verb.ADD) == {}


async def test_error_object_is_passed_on_with_its_number(tmp_path: Path) -> None:
    said = json.dumps({"code": 114, "msg": "no addresses", "details": "range set full"})
    error = await failure(plugin(tmp_path, f"echo '{said}'; exit 1"))

    assert (error.code, error.msg, error.details) == (114, "no addresses", "range set full")


@pytest.mark.parametrize(
    ("script", "code", "text"),
    [
        ("echo no json", CniCode.DECODE_FAILURE, "is not JSON"),
        ("echo '[]'", CniCode.DECODE_FAILURE, "is not a JSON object"),
        ("true", CniCode.DECODE_FAILURE, "0 bytes"),
        ("echo first >&2; echo last words >&2; exit 3", CniCode.IO_FAILURE, "last words"),
        ('echo \'{"code":"x"}\'; exit 1', CniCode.IO_FAILURE, "exit status 1"),
        ("kill -9 $$", CniCode.IO_FAILURE, "signal 9"),
    ],
)
async def test_unusual_end_is_reported_without_the_plugins_input(
    tmp_path: Path, script: str, code: CniCode, text: str
) -> None:
    error = await failure(plugin(tmp_path, script))

    assert error.code == code
    assert text in str(error)
    assert "ours" in str(error)
    assert SECRET not in str(error)


async def test_plugin_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    call = plugin(tmp_path, f"sleep 300 & echo $! > {tmp_path}/pid; wait")
    begun = time.monotonic()

    error = await failure(call, time_limit_s=0.5)

    assert error.code == CniCode.TRY_AGAIN_LATER
    assert "did not finish ADD within 0.5 s" in error.msg
    assert time.monotonic() - begun < 5
    await vanished(int((tmp_path / "pid").read_text()))


async def test_plugin_whose_child_leaves_with_its_output_holds_nobody_up(tmp_path: Path) -> None:
    call = plugin(tmp_path, f"setsid sleep 30 & echo $! > {tmp_path}/pid; echo '{{}}'")
    begun = time.monotonic()

    error = await failure(call, time_limit_s=0.5)

    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert error.code == CniCode.TRY_AGAIN_LATER
    assert time.monotonic() - begun < 5


async def test_cancelled_call_of_one_that_never_stops_talking_ends_it(tmp_path: Path) -> None:
    call = plugin(tmp_path, f"echo $$ > {tmp_path}/pid; cat /dev/zero")
    running = asyncio.create_task(Delegate().run(call, Verb.ADD))
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        while not list_pid(tmp_path):
            await asyncio.sleep(0.01)

    running.cancel()

    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await running
    await vanished(int(list_pid(tmp_path)))


def list_pid(directory: Path) -> str:
    """The process that a plugin wrote down, or an empty text."""
    file = directory / "pid"
    return file.read_text().strip() if file.exists() else ""


async def test_cancelled_call_ends_the_plugin(tmp_path: Path) -> None:
    call = plugin(
        tmp_path, f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; sleep 300"
    )
    running = asyncio.create_task(Delegate().run(call, Verb.ADD))
    async with asyncio.timeout(10):
        while not (tmp_path / "pid").exists():
            await asyncio.sleep(0.01)

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    await vanished(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("turns", range(10))
async def test_call_cancelled_while_the_plugin_starts_ends_at_once(
    tmp_path: Path, turns: int
) -> None:
    running = asyncio.create_task(Delegate().run(plugin(tmp_path, "sleep 300"), Verb.ADD))
    for _ in range(turns):
        await asyncio.sleep(0)

    running.cancel()

    _, waiting = await asyncio.wait({running}, timeout=5)
    assert not waiting
    assert running.cancelled()


async def vanished(pid: int) -> None:
    """Wait until the process is gone, or a zombie of another parent."""
    async with asyncio.timeout(10):
        while lives(pid):
            await asyncio.sleep(0.01)


def lives(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


async def test_endless_output_takes_no_endless_memory(tmp_path: Path) -> None:
    error = await failure(plugin(tmp_path, "head -c 5000000 /dev/zero"))

    assert error.code == CniCode.DECODE_FAILURE
    assert f"({1 << 20} bytes)" in error.msg


async def test_missing_plugin_names_it_and_where_it_was_looked_for(tmp_path: Path) -> None:
    call = plugin(tmp_path, "true")
    error = await failure(Call(call.environment, STDIN, "not-there"))

    assert error.code == CniCode.IO_FAILURE
    assert 'failed to find IPAM plugin "not-there"' in error.msg
    assert str(tmp_path) in error.msg


async def test_file_that_cannot_be_executed_is_not_the_plugin(tmp_path: Path) -> None:
    call = plugin(tmp_path, "true")
    (tmp_path / "ours").chmod(0o644)

    assert "failed to find" in (await failure(call)).msg


async def test_configuration_without_a_plugin_says_what_to_write(tmp_path: Path) -> None:
    call = plugin(tmp_path, "true")
    error = await failure(Call(call.environment, STDIN, ""))

    assert error.code == CniCode.INVALID_CONFIG
    assert "ipam.type" in error.msg
    assert "host-local" in error.details
