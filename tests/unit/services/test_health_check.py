"""`services/health_check.py`: ports come and go, and another process may have one."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import ClientSession
from tests.deadlines import Deadline

from ciliate.services.health_answers import HealthCheck
from ciliate.services.health_check import HealthChecks

WEB, API = HealthCheck("default", "web", 1), HealthCheck("default", "api", 0)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody has, below those that connections of other tests get."""
    found: list[int] = []
    for port in range(20000 + os.getpid() % 900 * 10, 32000):
        try:
            socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True).close()
        except OSError:
            continue
        found.append(port)
        if len(found) == count:
            break
    return found


async def until(condition: Callable[[], bool]) -> None:
    deadline = Deadline(5.0)
    while not condition():
        assert not deadline.passed
        await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(
    *, is_proxy_healthy: bool = True, ports_max: int = 8
) -> AsyncIterator[HealthChecks]:
    checks = HealthChecks(lambda: is_proxy_healthy, ports_max=ports_max)
    tasks = [asyncio.create_task(run()) for run in (checks.sync.run, checks.run)]
    try:
        yield checks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def listens(port: int) -> bool:
    """Whether somebody listens at a port of both loopback addresses."""
    for host in ("127.0.0.1", "::1"):
        try:
            socket.create_connection((host, port), timeout=1.0).close()
        except OSError:
            return False
    return True


async def asked(port: int, *, host: str = "127.0.0.1", path: str = "/") -> tuple[int, str, int]:
    """Ask as a load balancer does; return status, whom it is about, and the weight."""
    async with (
        ClientSession() as session,
        session.get(f"http://{host}:{port}{path}") as response,
    ):
        body = json.loads(await response.read())
        return (
            response.status,
            f"{body['service']['namespace']}/{body['service']['name']}",
            int(response.headers["X-Load-Balancing-Endpoint-Weight"]),
        )


async def test_each_port_answers_for_its_service_over_both_families_at_any_path() -> None:
    web, api = free_ports(2)
    async with serving() as checks:
        checks.show({web: WEB, api: API})
        await until(lambda: listens(web) and listens(api))

        for host in ("127.0.0.1", "[::1]"):
            assert await asked(web, host=host, path="/healthz") == (200, "default/web", 1)
            assert await asked(api, host=host) == (503, "default/api", 0)


async def test_count_that_changes_is_answered_at_once() -> None:
    (port,) = free_ports(1)
    async with serving() as checks:
        checks.show({port: WEB})
        await until(lambda: listens(port))

        checks.show({port: HealthCheck("default", "web", 0)})

        assert await asked(port) == (503, "default/web", 0)


async def test_port_closes_with_its_service_and_with_the_agent() -> None:
    web, api = free_ports(2)
    async with serving() as checks:
        checks.show({web: WEB, api: API})
        await until(lambda: listens(web) and listens(api))

        checks.show({api: API})
        await until(lambda: not listens(web))
        assert listens(api)

    assert not listens(api)


async def test_without_a_proxy_no_endpoint_counts() -> None:
    (port,) = free_ports(1)
    async with serving(is_proxy_healthy=False) as checks:
        checks.show({port: WEB})
        await until(lambda: listens(port))

        assert await asked(port) == (503, "default/web", 1)


async def test_port_that_another_process_has_is_told_and_served_when_it_is_free() -> None:
    taken, free = free_ports(2)
    async with serving() as checks:
        with socket.create_server(("127.0.0.1", taken)):
            checks.show({taken: WEB, free: API})
            await until(lambda: bool(checks.sync.status.failing_keys))

            (told,) = checks.sync.status.failing_keys.values()
            assert f"healthCheckNodePort {taken} of Service default/web" in told.message
            assert "stop who listens there" in told.message
            await until(lambda: listens(free))

        await until(lambda: listens(taken))
        await until(lambda: not checks.sync.status.failing_keys)
        assert await asked(taken) == (200, "default/web", 1)


async def test_client_that_stays_is_answered_for_whoever_has_the_port() -> None:
    (port,) = free_ports(1)
    async with serving() as checks, ClientSession() as session:
        checks.show({port: WEB})
        await until(lambda: listens(port))
        url = f"http://127.0.0.1:{port}/"
        assert (await session.get(url)).status == 200

        checks.show({})

        assert (await session.get(url)).status == 503


async def test_more_ports_than_a_node_serves_are_told() -> None:
    one, other = free_ports(2)
    async with serving(ports_max=1) as checks:
        checks.show({one: WEB})
        await until(lambda: listens(one))
        checks.show({one: WEB, other: API})
        await until(lambda: bool(checks.sync.status.failing_keys))

    assert "no node serves more" in checks.sync.status.last_failure
