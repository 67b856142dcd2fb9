"""Every target of a node examined, many at a time, within a deadline."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from ciliate.cli.doctor.echo_socket import EchoSocket
from ciliate.cli.doctor.local_routes import find_routes
from ciliate.cli.doctor.model import SIZE_MAX, SIZE_MIN, PathReport, PathStatus
from ciliate.cli.doctor.outcome import Outcome
from ciliate.cli.doctor.path import examine, replace_report
from ciliate.cli.doctor.path_classes import LocalRoute, one_of_each
from ciliate.net.address import IPAddress
from ciliate.netlink.client import Rtnetlink

#: Targets that are examined at once: three echoes of each are on the way.
_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class ProbeOrder:
    """What a node is to find out.

    Of `others`, one of each path class is examined that no target has. `size` is what is assumed
    instead of the routes' MTU; 0: that.
    """

    targets: Sequence[IPAddress]
    others: Sequence[IPAddress] = ()
    size: int = 0
    searches: bool = True
    deadline_s: float = 15.0


class _Target:
    """One target of a socket."""

    def __init__(self, opened: EchoSocket, target: IPAddress) -> None:
        self._socket = opened
        self._target = target

    async def ask(self, size: int, *, patience_s: float) -> Outcome:
        return await self._socket.ask(self._target, size, patience_s=patience_s)

    async def ask_in_pieces(self, size: int, *, passes: int, patience_s: float) -> Outcome:
        return await self._socket.ask_in_pieces(
            self._target, size, passes=passes, patience_s=patience_s
        )


async def probe(order: ProbeOrder) -> tuple[PathReport, ...]:
    """Return what is found out about each target, and about one of each other class.

    Raises:
        EchoSocketError: The sockets are root's.
        NetlinkError: The kernel tells no routes.
    """
    async with Rtnetlink.open() as rtnl:
        routes = await find_routes(rtnl, (*order.targets, *order.others))
    wanted = [routes[target] for target in order.targets]
    wanted += one_of_each(wanted, (routes[target] for target in order.others))
    reports = {route.target: _start(route, order.size) for route in wanted}
    reachable = [route for route in wanted if not route.problem]
    async with AsyncExitStack() as stack:
        sockets: dict[int, EchoSocket] = {
            version: await stack.enter_async_context(EchoSocket(version))
            for version in {route.target.version for route in reachable}
        }
        await _examine_all(reachable, sockets, reports, order)
    return tuple(reports[route.target] for route in wanted)


async def _examine_all(
    routes: Iterable[LocalRoute],
    sockets: Mapping[int, EchoSocket],
    reports: dict[IPAddress, PathReport],
    order: ProbeOrder,
) -> None:
    """Fill `reports`; those that the deadline cuts off keep saying so."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(target: IPAddress) -> None:
        async with turns:
            asker = _Target(sockets[target.version], target)
            start = reports[target]
            found = await examine(asker, start, version=target.version, searches=False)
            reports[target] = found  # A search that the deadline cuts off leaves this.
            if order.searches and found.status is PathStatus.BLACK_HOLE:
                reports[target] = await examine(asker, start, version=target.version)

    try:
        async with asyncio.timeout(order.deadline_s), asyncio.TaskGroup() as tasks:
            for route in routes:
                tasks.create_task(one(route.target))
    except TimeoutError:
        for target, report in reports.items():
            if report.status is PathStatus.FAILED and not report.problem:
                late = f"not examined within {order.deadline_s:g} s"
                reports[target] = replace_report(report, PathStatus.FAILED, problem=late)


def _start(route: LocalRoute, size: int) -> PathReport:
    mtu = min(route.mtu, SIZE_MAX)
    assumed = max(min(size or mtu, mtu), SIZE_MIN[route.target.version])
    return PathReport(
        target=str(route.target),
        status=PathStatus.FAILED,
        assumed=0 if route.problem else assumed,
        device=route.device,
        mtu=mtu,
        gateway=route.gateway,
        problem=route.problem,
    )
