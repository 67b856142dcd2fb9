"""Pod interfaces in memory, which behave as the real ones, for tests of the code that uses them.

As with `ciliate.netlink.pod.PodLinks`, a cancelled `create` goes on to its end, an interface of the
same name is replaced, and removals go in groups (the real `RemovalGroups`). Gates let a test
decide when something goes on.
"""

import asyncio
import errno
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Generic, TypeVar, cast

from ciliate.datapath.bpf_map import OpenMap
from ciliate.datapath.errors import DatapathError, MapFullError
from ciliate.net.address import Mac
from ciliate.net.pod_interface import PodInterface
from ciliate.netlink.chained_link import ChainedLink
from ciliate.netlink.errors import NetlinkError, NoChainedLinkError, PodLinkMismatchError
from ciliate.netlink.pod import PodLinks
from ciliate.netlink.pod_link import HOST_PREFIX, ObservedPodLink, PodLink, PodLinkState
from ciliate.netlink.pod_worker import REMOVED_MAX
from ciliate.netlink.removal import Outcomes, RemovalGroups
from ciliate.netlink.work_watch import LateWork

K = TypeVar("K")
V = TypeVar("V")

#: After this a condition that did not come true is a failure.
DEADLINE_S = 5.0


async def until(condition: Callable[[], bool]) -> None:
    """Return when `condition` holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0)


async def settle() -> None:
    """Let every task go on until each waits for something outside (a gate, a thread)."""
    for _ in range(100):
        await asyncio.sleep(0)


class Gate:
    """A gate that is open, or lets one operation through for each `admit`."""

    def __init__(self) -> None:
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._passes = asyncio.Semaphore(0)
        self.waiting = 0

    def close(self) -> None:
        self._is_open.clear()

    def open(self) -> None:
        self._is_open.set()
        for _ in range(self.waiting):
            self._passes.release()

    def pass_others(self) -> None:
        """Let later operations through; those that wait go on waiting."""
        self._is_open.set()

    def admit(self) -> None:
        self._passes.release()

    async def passed(self) -> None:
        if self._is_open.is_set():
            return
        self.waiting += 1
        try:
            await self._passes.acquire()
        finally:
            self.waiting -= 1


def refused(step: str, subject: str) -> NetlinkError:
    return NetlinkError(step=step, subject=subject, errno=errno.ENOBUFS)


class MemoryLinks:
    """What `PodLinks` offers."""

    def __init__(self, standing: Iterable[ObservedPodLink] = ()) -> None:
        self.standing: dict[str, ObservedPodLink] = {link.name: link for link in standing}
        self.made: list[str] = []
        self.groups: list[tuple[str, ...]] = []
        #: Names whose creation or removal fails.
        self.refuses_to_create: set[str] = set()
        self.refuses_to_remove: set[str] = set()
        #: Namespace -> the interface that another plugin made in it.
        self.chained: dict[str, ChainedLink] = {}
        #: What the workers are at for too long, and why none is left.
        self.late: tuple[LateWork, ...] = ()
        self.refusal = ""
        self.refusal_to_make = ""
        self.creations, self.removals, self.observations = Gate(), Gate(), Gate()
        self.takeovers = Gate()
        self._indexes = count(100)
        self._workers: set[asyncio.Task[PodLinkState]] = set()
        self._groups = RemovalGroups(self._remove_group, names_max=REMOVED_MAX)

    @property
    def as_pod_links(self) -> PodLinks:
        return cast("PodLinks", self)

    async def create(self, link: PodLink) -> PodLinkState:
        worker = asyncio.create_task(self._create(link))  # A thread: it cannot be cancelled.
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)
        return await asyncio.shield(worker)

    async def _create(self, link: PodLink) -> PodLinkState:
        await self.creations.passed()
        if link.interface.host_name in self.refuses_to_create:
            raise refused("create pod link", link.interface.host_name)
        index = next(self._indexes)
        self.made.append(link.interface.host_name)
        self.standing[link.interface.host_name] = ObservedPodLink(
            name=link.interface.host_name,
            ifindex=index,
            host_mac=link.interface.host_mac,
            pod_mac=link.interface.pod_mac,
            mtu=link.interface.mtu,
            is_up=True,
            peer_netnsid=1,
            addresses=link.interface.addresses,
            from_pod_program=1,
            to_pod_program=2,
        )
        return PodLinkState(host_ifindex=index, pod_ifindex=2)

    async def check(self, interface: PodInterface) -> None:
        held = self.standing.get(interface.host_name)
        if held is None or held.host_mac != interface.host_mac:
            raise PodLinkMismatchError(
                host_name=interface.host_name,
                netns=interface.netns,
                problem="is missing",
            )

    async def observe(self, *, chained: Collection[int] = ()) -> tuple[ObservedPodLink, ...]:
        seen = tuple(
            link
            for link in self.standing.values()
            if link.name.startswith(HOST_PREFIX) or link.ifindex in chained
        )
        await self.observations.passed()
        return seen

    def chain(self, netns: str, name: str, ifindex: int) -> ChainedLink:
        """Another plugin makes an interface."""
        mac = Mac("02:00:00:00:00:01")
        self.chained[netns] = ChainedLink(name, ifindex, mac, "eth0", mac, 1450)
        self.standing[name] = ObservedPodLink(
            name=name,
            ifindex=ifindex,
            host_mac=mac,
            pod_mac=None,
            mtu=1450,
            is_up=True,
            peer_netnsid=1,
            addresses=(),
            from_pod_program=None,
            to_pod_program=None,
        )
        return self.chained[netns]

    async def find_chained(self, netns: str, ifname: str) -> ChainedLink:
        if netns not in self.chained:
            raise NoChainedLinkError("no link found inside container", f"{ifname} of {netns}")
        return self.chained[netns]

    async def replace_programs(
        self, ifindexes: Sequence[int], *, from_pod_fd: int, to_pod_fd: int
    ) -> frozenset[int]:
        await self.takeovers.passed()
        gone = set(ifindexes)
        for name, held in tuple(self.standing.items()):
            if held.ifindex in ifindexes:
                gone.discard(held.ifindex)
                self.standing[name] = replace(
                    held, from_pod_program=from_pod_fd, to_pod_program=to_pod_fd
                )
        return frozenset(gone)

    async def remove(self, host_name: str) -> None:
        await self._groups.remove(host_name)

    async def _remove_group(self, names: Sequence[str]) -> Outcomes:
        self.groups.append(tuple(names))
        await self.removals.passed()
        outcomes: dict[str, NetlinkError | None] = {}
        for name in names:
            if name in self.refuses_to_remove:
                outcomes[name] = refused("remove pod link", name)
            else:
                self.standing.pop(name, None)
                outcomes[name] = None
        return outcomes


class MemoryMap(Generic[K, V]):
    """What `OpenMap` offers to those who write single entries."""

    def __init__(self, capacity: int = 1 << 16) -> None:
        self.held: dict[K, V] = {}
        self.capacity = capacity
        self.refuses_to_remove = False

    @property
    def as_open_map(self) -> OpenMap[K, V]:
        return cast("OpenMap[K, V]", self)

    def get(self, key: K) -> V | None:
        return self.held.get(key)

    def put(self, key: K, value: V) -> None:
        if key not in self.held and len(self.held) >= self.capacity:
            raise MapFullError(name="memory", capacity=self.capacity)
        self.held[key] = value

    def remove(self, key: K) -> bool:
        if self.refuses_to_remove:
            raise DatapathError(
                function="bpf_map_delete_elem", subject="memory", code=errno.ENOMEM
            )
        return self.held.pop(key, None) is not None

    def items(self) -> Iterator[tuple[K, V]]:
        return iter(tuple(self.held.items()))

    def __enter__(self) -> "MemoryMap[K, V]":
        return self

    def __exit__(self, *_: object) -> None:
        """Stay as it is."""
