"""What is said on links unasked, and the groups that are joined, seen from outside of the module."""

import asyncio
from typing import Any

import pytest

from ciliate.l2_announcements.agent.links import Links, Target
from ciliate.l2_announcements.frames import unasked
from ciliate.net.address import ip_address

V4: Target = (ip_address("192.0.2.1"), 2)
V6: Target = (ip_address("2001:db8::1"), 2)
MAC = bytes.fromhex("ee0a00000001")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bytes]]:
    """The frames that leave, by the index of their device; without any pause between."""
    found: list[tuple[int, bytes]] = []
    monkeypatch.setattr(Links, "_send", lambda _self, index, frame: found.append((index, frame)))

    async def at_once(_seconds: float) -> None:
        await yielded(0)

    yielded: Any = asyncio.sleep
    monkeypatch.setattr("ciliate.l2_announcements.agent.links.asyncio.sleep", at_once)
    return found


async def test_each_address_is_announced_three_times(sent: list[tuple[int, bytes]]) -> None:
    links = Links(lambda _index: "eth0")

    await links.speak({V4: MAC, V6: MAC}, lambda _target: True)

    assert sent == [(2, unasked(V4[0], MAC)), (2, unasked(V6[0], MAC))] * 3


async def test_address_that_is_held_no_more_is_not_announced(
    sent: list[tuple[int, bytes]],
) -> None:
    links = Links(lambda _index: "eth0")

    await links.speak({V4: MAC}, lambda _target: len(sent) < 1)

    assert len(sent) == 1


def test_device_that_is_gone_or_refuses_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    Links(lambda _index: "")._send(2, b"")
    Links(lambda _index: "no-such-device")._send(2, b"")

    assert all("no-such-device" in record.message for record in caplog.records)


def test_groups_are_joined_once_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    joined: list[bytes] = []
    open_now: list[object] = []

    class Socket:
        def __init__(self, *_kind: int) -> None:
            open_now.append(self)

        def setsockopt(self, _level: int, _option: int, request: bytes) -> None:
            joined.append(request)

        def close(self) -> None:
            open_now.remove(self)

    monkeypatch.setattr("ciliate.l2_announcements.agent.links.socket.socket", Socket)
    links = Links(lambda _index: "eth0")
    twin: Target = (ip_address("2001:db8:1::1"), 2)  # Of the same group.

    links.listen({V4: MAC, V6: MAC, twin: MAC})
    links.listen({V6: MAC})
    assert (len(joined), len(open_now)) == (1, 1)

    links.listen({V4: MAC})
    assert open_now == []
