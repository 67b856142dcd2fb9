"""A real ExaBGP against a router of a few lines, on loopback."""

import asyncio
import contextlib
import os
import signal
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from tests.unit.bgp.objects import session
from tests.unit.bgp.speaker.router import FakeRouter

from ciliate.bgp.model import Route, Session
from ciliate.bgp.speaker.child import Child

HOME = ip_address("127.0.0.1")


def routes(*prefixes: str) -> tuple[Route, ...]:
    return tuple(Route(ip_network(prefix), HOME) for prefix in prefixes)


def to(router: FakeRouter, *prefixes: str) -> Session:
    return session(
        local_address=HOME,
        peer_address=HOME,
        peer_port=router.port,
        versions=(4,),
        ttl=0,
        hold_s=9,
        routes=routes(*prefixes),
    )


@contextlib.asynccontextmanager
async def running(wanted: Session, folder: Path) -> AsyncIterator[Child]:
    child = Child(wanted, folder / "session.conf", lambda: None)
    task = asyncio.create_task(child.run())
    try:
        yield child
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(child: Child, state: str) -> None:
    async with asyncio.timeout(30.0):
        while child.state.name != state:
            await asyncio.sleep(0.02)


async def test_all_routes_come_before_the_end_of_rib_and_changes_after_it(tmp_path: Path) -> None:
    async with FakeRouter().serve() as router:
        first = to(router, "10.1.0.0/24", "10.2.0.0/24")
        async with running(first, tmp_path) as child:
            await router.until("10.1.0.0/24", "10.2.0.0/24", event="end of rib")
            assert router.events.index("end of rib") > router.events.index("update")
            await until(child, "established")
            assert (child.state.hold_s, child.state.families) == (9, ("ipv4",))

            child.want(replace(first, routes=routes("10.2.0.0/24", "10.3.0.0/24")))
            await router.until("10.2.0.0/24", "10.3.0.0/24")

            assert router.events.count("up") == 1  # The session has lasted.
            assert stat.S_IMODE((tmp_path / "session.conf").stat().st_mode) == 0o600
        assert not (tmp_path / "session.conf").exists()
        await router.until("10.2.0.0/24", "10.3.0.0/24", event="closed")
        assert "notified" not in router.events  # Graceful restart forbids a word.


async def test_a_route_of_which_the_marks_alone_changed_is_announced_anew(tmp_path: Path) -> None:
    async with FakeRouter().serve() as router:
        first = to(router, "10.1.0.0/24")
        async with running(first, tmp_path) as child:
            await router.until("10.1.0.0/24", event="end of rib")
            before = router.events.count("update")

            marked = replace(first.routes[0], communities=("65000:1",))
            child.want(replace(first, routes=(marked,)))

            await router.until("10.1.0.0/24", event="update", count=before + 1)
            assert router.events.count("up") == 1


async def test_a_session_that_was_lost_begins_anew_with_the_routes_of_now(tmp_path: Path) -> None:
    async with FakeRouter().serve() as router:
        first = to(router, "10.1.0.0/24")
        async with running(first, tmp_path) as child:
            await router.until("10.1.0.0/24", event="end of rib")
            child.want(replace(first, routes=routes("10.2.0.0/24")))
            await router.until("10.2.0.0/24")
            process = child.pid

            router.drop()

            await router.until("10.2.0.0/24", event="end of rib", count=2)
            assert child.pid != process


async def test_a_million_routes_of_a_router_take_no_memory(tmp_path: Path) -> None:
    """They are not even parsed; else each would be some hundred octets."""
    async with FakeRouter().serve() as router, running(to(router), tmp_path) as child:
        await until(child, "established")
        assert child.pid is not None
        before = resident_kib(child.pid)

        await router.flood(1_000_000)
        child.want(replace(child.wanted, routes=routes("10.7.0.0/24")))
        await router.until("10.7.0.0/24")

        assert resident_kib(child.pid) - before < 4096
        assert router.events.count("up") == 1


def resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


@pytest.mark.parametrize("garbage", [bytes(4096), b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 4096])
async def test_what_is_no_bgp_ends_the_session_and_another_begins(
    garbage: bytes, tmp_path: Path
) -> None:
    async with (
        FakeRouter().serve() as router,
        running(to(router, "10.1.0.0/24"), tmp_path) as child,
    ):
        await router.until("10.1.0.0/24", event="end of rib")
        await until(child, "established")

        router.say(garbage)

        await router.until("10.1.0.0/24", event="end of rib", count=2)


async def test_what_leaves_takes_its_routes_back(tmp_path: Path) -> None:
    async with FakeRouter().serve() as router:
        wanted = to(router, "10.1.0.0/24")
        child = Child(wanted, tmp_path / "session.conf", lambda: None)
        task = asyncio.create_task(child.run())
        await router.until("10.1.0.0/24")
        await until(child, "established")

        child.leave()
        await asyncio.wait_for(task, 30.0)

        await router.until(event="closed")
        assert router.prefixes == set()


async def test_other_settings_begin_another_session(tmp_path: Path) -> None:
    async with FakeRouter().serve() as router, running(to(router), tmp_path) as child:
        await router.until(event="up")
        await until(child, "established")

        child.want(replace(child.wanted, hold_s=30, routes=routes("10.9.0.0/24")))

        await router.until("10.9.0.0/24", event="up", count=2)


async def test_one_that_is_killed_is_started_again(tmp_path: Path) -> None:
    async with (
        FakeRouter().serve() as router,
        running(to(router, "10.1.0.0/24"), tmp_path) as child,
    ):
        await router.until("10.1.0.0/24")
        await until(child, "established")

        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)

        await router.until("10.1.0.0/24", event="up", count=2)
        await until(child, "established")
        assert child.problem == ""


async def test_routes_that_change_while_nobody_answers_are_announced_in_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with FakeRouter().serve() as router:
        away = to(router, "10.1.0.0/24")
    async with running(away, tmp_path) as child:
        await until(child, "active")
        child.want(replace(away, routes=routes("10.2.0.0/24")))
        server = await asyncio.start_server(router._talk, "127.0.0.1", router.port)
        async with server:
            await router.until("10.2.0.0/24")
    assert "bug" not in caplog.text


async def test_another_as_number_is_told(tmp_path: Path) -> None:
    async with FakeRouter(asn=65009).serve() as router, running(to(router), tmp_path) as child:
        async with asyncio.timeout(30.0):
            while "another AS number" not in child.state.reason:
                await asyncio.sleep(0.02)
        assert not child.state.is_established
