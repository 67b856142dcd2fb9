"""ip-masq-agent's file is read when it changes, however it is replaced."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from ciliate.errors import SettingError
from ciliate.masquerade.agent_file import AgentFile
from ciliate.masquerade.compile import PREFIXES_MAX, TooManyPrefixesError
from ciliate.net.address import IPNetwork

DEADLINE_S = 10.0


class Accepted:
    """The lists that were accepted, as texts."""

    def __init__(self) -> None:
        self.lists: list[list[str]] = []
        self.is_full = False
        self._changed = asyncio.Event()

    async def __call__(self, ranges: tuple[IPNetwork, ...]) -> None:
        if self.is_full:
            raise TooManyPrefixesError(PREFIXES_MAX + 1)
        self.lists.append([str(each) for each in ranges])
        self._changed.set()

    async def until(self, is_right: Callable[[list[str]], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not (self.lists and is_right(self.lists[-1])):
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def _running(file: AgentFile) -> AsyncIterator[None]:
    await file.start()
    task = asyncio.create_task(file.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not is_so():
            await asyncio.sleep(0.005)


def _list(*ranges: str) -> str:
    return "masqLinkLocal: true\nnonMasqueradeCIDRs:\n" + "".join(f"- {r}\n" for r in ranges)


def _volume(folder: Path, text: str | None, *, turn: int) -> None:
    """Show `text` as a kubelet does: a new folder, and `..data` moved to it by a rename."""
    data = folder / f"..{turn}"
    data.mkdir()
    if text is not None:
        (data / "ip-masq-agent").write_text(text)
    (folder / "..data_tmp").symlink_to(data.name)
    (folder / "..data_tmp").replace(folder / "..data")
    shown = folder / "ip-masq-agent"
    if text is None:
        shown.unlink(missing_ok=True)
    elif not shown.is_symlink():
        shown.symlink_to("..data/ip-masq-agent")


def _file(folder: Path, accepted: Accepted) -> AgentFile:
    return AgentFile(str(folder / "ip-masq-agent"), versions=(4,), accept=accepted)


async def test_config_maps_volume_is_followed_from_link_to_link(tmp_path: Path) -> None:
    accepted = Accepted()
    _volume(tmp_path, _list("10.1.0.0/16"), turn=1)
    async with _running(_file(tmp_path, accepted)):
        for turn in range(2, 5):
            _volume(tmp_path, _list(f"10.{turn}.0.0/16"), turn=turn)
            await accepted.until(lambda last, turn=turn: last == [f"10.{turn}.0.0/16"])  # type: ignore[misc] # the turn's own.


async def test_config_map_that_comes_late_ends_the_defaults_and_its_end_brings_them_back(
    tmp_path: Path,
) -> None:
    accepted = Accepted()
    async with _running(_file(tmp_path, accepted)):
        assert "172.16.0.0/12" in accepted.lists[0]

        _volume(tmp_path, _list("10.1.0.0/16"), turn=1)
        await accepted.until(lambda last: last == ["10.1.0.0/16"])
        _volume(tmp_path, None, turn=2)
        await accepted.until(lambda last: "172.16.0.0/12" in last)


@pytest.mark.parametrize("way", ["renamed", "written in place", "removed and made"])
async def test_plain_file_is_followed(tmp_path: Path, way: str) -> None:
    accepted, path = Accepted(), tmp_path / "ip-masq-agent"
    path.write_text(_list("10.1.0.0/16"))
    async with _running(_file(tmp_path, accepted)):
        if way == "renamed":
            (tmp_path / "new").write_text(_list("10.2.0.0/16"))
            (tmp_path / "new").replace(path)
        elif way == "written in place":
            path.write_text(_list("10.2.0.0/16"))
        else:
            path.unlink()
            path.write_text(_list("10.2.0.0/16"))
        await accepted.until(lambda last: last == ["10.2.0.0/16"])


async def test_directory_that_was_made_anew_is_watched(tmp_path: Path) -> None:
    accepted, folder = Accepted(), tmp_path / "config"
    folder.mkdir()
    (folder / "ip-masq-agent").write_text(_list("10.1.0.0/16"))
    async with _running(_file(folder, accepted)):
        folder.rename(tmp_path / "former")
        folder.mkdir()
        (folder / "ip-masq-agent").write_text(_list("10.2.0.0/16"))
        await accepted.until(lambda last: last == ["10.2.0.0/16"])
        (folder / "ip-masq-agent").write_text(_list("10.3.0.0/16"))
        await accepted.until(lambda last: last == ["10.3.0.0/16"])


async def test_bad_file_changes_nothing_and_is_told_until_it_is_right(tmp_path: Path) -> None:
    accepted, path = Accepted(), tmp_path / "ip-masq-agent"
    path.write_text(_list("10.1.0.0/16"))
    file = _file(tmp_path, accepted)
    async with _running(file):
        path.write_text(_list("10.2.0.0/16", "10.3.0.1"))
        await _until(lambda: bool(file.status.consecutive_failures))
        assert accepted.lists == [["10.1.0.0/16"]]
        assert "Failed to update" in file.status.last_failure
        assert "10.3.0.1" in file.status.last_failure

        path.write_text(_list("10.2.0.0/16"))
        await accepted.until(lambda last: last == ["10.2.0.0/16"])
        await _until(lambda: not file.status.consecutive_failures)


async def test_list_that_no_table_holds_is_told_as_a_failure(tmp_path: Path) -> None:
    accepted, path = Accepted(), tmp_path / "ip-masq-agent"
    accepted.is_full = True
    path.write_text(_list("10.1.0.0/16"))
    file = _file(tmp_path, accepted)

    await file.start()

    assert str(PREFIXES_MAX) in file.status.last_failure


@pytest.mark.parametrize("kind", ["pipe", "folder"])
async def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path, kind: str) -> None:
    accepted, path = Accepted(), tmp_path / "ip-masq-agent"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    file = _file(tmp_path, accepted)

    await file.start()

    assert "Failed to read" in file.status.last_failure
    assert not accepted.lists


async def test_missing_directory_stops_the_start_and_names_its_key(tmp_path: Path) -> None:
    file = _file(tmp_path / "absent", Accepted())

    with pytest.raises(SettingError, match="ip-masq-agent-config-path"):
        await file.start()
