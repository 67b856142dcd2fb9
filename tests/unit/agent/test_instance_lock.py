"""`agent/instance_lock.py`: one agent per node, and the next waits for the one before."""

import asyncio
import os
import stat
import sys
from pathlib import Path

import pytest

from ciliate.agent import instance_lock as module
from ciliate.agent.instance_lock import OtherAgentError, StateDirectoryError, claim, instance_lock

#: Takes the lock of the file named, says so, and keeps it until it is killed.
OTHER_AGENT = """
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_EX)
print(flush=True)
sys.stdin.read()
"""


async def test_second_agent_gives_up_and_names_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WAIT_S", 0.0)
    async with instance_lock(tmp_path, "k8s-w1"):
        with pytest.raises(OtherAgentError, match=r"k8s-w1.*agent\.lock"):
            async with instance_lock(tmp_path, "k8s-w1"):
                raise AssertionError("two agents at once")


async def test_next_agent_begins_when_the_former_ends(tmp_path: Path) -> None:
    order: list[str] = []

    async def live(name: str) -> None:
        async with instance_lock(tmp_path, "k8s-w1"):
            order.append(name)

    async with instance_lock(tmp_path, "k8s-w1"):
        following = asyncio.create_task(live("second"))
        await asyncio.sleep(0)
        order.append("first")
    async with asyncio.timeout(5):
        await following

    assert order == ["first", "second"]


async def test_lock_goes_with_a_killed_process(tmp_path: Path) -> None:
    other_agent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OTHER_AGENT, str(tmp_path / "agent.lock")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert other_agent.stdout is not None
    await other_agent.stdout.readline()
    waiting = asyncio.create_task(_enter(tmp_path))
    await asyncio.sleep(0)
    assert not waiting.done()

    other_agent.kill()
    await other_agent.wait()

    async with asyncio.timeout(5):
        assert await waiting


async def _enter(folder: Path) -> bool:
    async with instance_lock(folder, "k8s-w1"):
        return True


async def test_agent_with_anothers_directory_gives_up_names_it_and_leaves_it_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WAIT_S", 0.0)
    async with claim(tmp_path, "k8s-ctr", "a bpf-root"):
        with pytest.raises(OtherAgentError, match=f"k8s-w1.* {tmp_path} .*give .*a bpf-root"):
            async with claim(tmp_path, "k8s-w1", "a bpf-root"):
                raise AssertionError("two agents at once")

    async with claim(tmp_path, "k8s-w1", "a bpf-root"):
        assert not os.listdir(tmp_path)


async def test_lock_is_given_back_when_the_agent_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with instance_lock(tmp_path, "k8s-w1"):
            raise ZeroDivisionError

    assert await _enter(tmp_path)


async def test_lock_file_is_the_owners_alone(tmp_path: Path) -> None:
    async with instance_lock(tmp_path, "k8s-w1"):
        assert os.stat(tmp_path / "agent.lock").st_mode & 0o777 == 0o600


async def test_directory_is_made_for_the_agent_alone(tmp_path: Path) -> None:
    state = tmp_path / "cilium" / "state"

    async with instance_lock(state, "k8s-w1"):
        assert stat.S_IMODE(state.stat().st_mode) == 0o700


@pytest.mark.parametrize("obstacle", ["state", "state/agent.lock"])
async def test_directory_that_cannot_be_used_is_named(tmp_path: Path, obstacle: str) -> None:
    if obstacle == "state":
        (tmp_path / "state").write_bytes(b"")
    else:
        (tmp_path / obstacle).mkdir(parents=True)

    with pytest.raises(StateDirectoryError, match=r"state/agent\.lock: cannot be opened: .*own$"):
        async with instance_lock(tmp_path / "state", "k8s-w1"):
            raise AssertionError("nothing can be kept there")
