"""Pod interfaces: made, swapped, listed, removed; the hot path of CNI ADD and DEL.

`PodLinks` is the event loop's side: it hands each operation to one of a few worker threads
(`pod_worker.py`), and gathers removals into groups, since the kernel waits 16 ms for an RCU grace
period per removal, of one link or of fifty.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from ciliate.net.pod_interface import PodInterface
from ciliate.netlink.chained_link import ChainedLink
from ciliate.netlink.pod_link import (
    ObservedPodLink,
    PodLink,
    PodLinkState,
    host_name,
    new_mac,
)
from ciliate.netlink.pod_worker import REMOVED_MAX, PodWorker
from ciliate.netlink.removal import Outcomes, RemovalGroups
from ciliate.netlink.work_watch import LATE_AFTER_S, LateWork, WorkWatch
from ciliate.system.threads import Threads

__all__ = ["ObservedPodLink", "PodLink", "PodLinkState", "PodLinks", "host_name", "new_mac"]

#: More would wait for the same RTNL lock.
WORKERS_DEFAULT: Final = 2

#: How long a process that ends waits for the workers, in seconds.
CLOSE_WITHIN_S: Final = 10.0

_MAKER: Final = "maker"
_REMOVER: Final = "remover"

T = TypeVar("T")

_log = logging.getLogger(__name__)


class PodLinks:
    """The pod interfaces of a node.

    Cancelling an operation does not stop its thread: after a cancelled `create`, call `remove`.
    """

    def __init__(
        self,
        *,
        workers: int = WORKERS_DEFAULT,
        netns: str | None = None,
        late_after_s: float = LATE_AFTER_S,
    ) -> None:
        """Start `workers` threads in the namespace at path `netns`; None: the caller's own.

        Work that takes longer than `late_after_s` is `late`.
        """
        self._late_after_s = late_after_s
        self._netns = netns
        self._local = threading.local()
        self._made: list[PodWorker] = []
        self._workers = workers
        self._watch = WorkWatch()
        self._under_way: set[Future[Any]] = set()
        self._threads = Threads(workers, thread_name_prefix="pod-link")
        # One thread removes, whatever the load: it sleeps in the kernel most of the time, and
        # must not hold up those that create.
        self._remover = Threads(1, thread_name_prefix="pod-unlink")
        self._removals = RemovalGroups(self._remove_group, names_max=REMOVED_MAX)

    async def require_traffic_control(self, program_fd: int) -> None:
        """Accept a kernel on which pods' interfaces can run programs.

        Raises:
            TrafficControlMissingError: A part of it is missing; says which, and since when it is.
        """
        await self._run(
            "try traffic control", lambda worker: worker.require_traffic_control(program_fd)
        )

    async def create(self, link: PodLink) -> PodLinkState:
        """Make a pod's interface, complete on both ends; one of an earlier ADD is replaced.

        Raises:
            NetlinkError: Names step, object and errno; nothing of the link is left.
        """
        what = f"create {link.interface.host_name} in {link.interface.netns}"
        return await self._run(what, lambda worker: worker.create(link))

    async def check(self, interface: PodInterface) -> None:
        """Compare a pod's interface with `interface` (CNI, CHECK); descriptors are not compared.

        Raises:
            PodLinkMismatchError: Names what differs.
            NetlinkError: The pod's namespace is gone.
        """
        what = f"check {interface.host_name} in {interface.netns}"
        await self._run(what, lambda worker: worker.check(interface))

    async def set_route_mtu(self, interface: PodInterface) -> None:
        """Give the pod's default routes by our gateways the MTU of `interface`, in bytes.

        Raises:
            NetlinkError: The pod's namespace is gone, or a route cannot be replaced.
        """
        what = f"set the MTU of routes in {interface.netns}"
        await self._run(what, lambda worker: worker.set_route_mtu(interface))

    async def find_chained(self, netns: str, ifname: str) -> ChainedLink:
        """Return the interface that another plugin made in the namespace at path `netns`.

        Raises:
            NoChainedLinkError: There is no veth, or its other end is not on this node.
            NetlinkError: The namespace is gone.
        """
        what = f"find {ifname} in {netns}"
        return await self._run(what, lambda worker: worker.find_chained(netns, ifname))

    async def observe(self, *, chained: Collection[int] = ()) -> tuple[ObservedPodLink, ...]:
        """Return the pod interfaces that the kernel has; of other plugins', those in `chained`.

        Ours are known by their names, another plugin's by its ifindex alone.
        """
        return await self._run(
            "list the pods' links", lambda worker: worker.observe(frozenset(chained))
        )

    async def replace_programs(
        self, ifindexes: Sequence[int], *, from_pod_fd: int, to_pod_fd: int
    ) -> frozenset[int]:
        """Swap both programs of each link in place; at no moment does a packet find none.

        Returns:
            The indexes that no longer exist.
        """
        return await self._run(
            f"replace the programs of {len(ifindexes)} links",
            lambda worker: worker.replace_programs(
                ifindexes, from_pod_fd=from_pod_fd, to_pod_fd=to_pod_fd
            ),
        )

    async def remove(self, host_name: str) -> None:
        """Remove a pod's interface by its host side's name; an absent one is a success.

        Names that arrive while a group is being removed form the next one.

        Raises:
            NetlinkError: The group failed; the link may still be there.
        """
        await self._removals.remove(host_name)

    async def _remove_group(self, names: Sequence[str]) -> Outcomes:
        what = f"remove {len(names)} links, {names[0]} among them"
        return await self._run_in(
            self._remover, _REMOVER, what, lambda worker: worker.remove(names)
        )

    @property
    def late(self) -> tuple[LateWork, ...]:
        """What workers are at for too long: they may never come back."""
        return self._watch.late(after_s=self._late_after_s)

    @property
    def refusal_to_make(self) -> str:
        """Why no interface can be made or looked at now, or an empty text."""
        makers = [work for work in self.late if work.kind == _MAKER]
        if len(makers) >= self._workers:
            return f"no worker is left that makes pods' links: one is at {makers[0]}"
        return ""

    @property
    def refusal(self) -> str:
        """Why no interface can be made or removed now, or an empty text."""
        if refusal := self.refusal_to_make:
            return refusal
        removers = [work for work in self.late if work.kind == _REMOVER]
        if removers:
            return f"pods' links cannot be removed: the worker is at {removers[0]}"
        return ""

    async def aclose(self, *, within_s: float = CLOSE_WITHIN_S) -> None:
        """Wait for what is under way, no longer than `within_s`, then end the threads.

        One that does not come back is left behind: a process that ends must not wait for it.
        """
        try:
            async with asyncio.timeout(within_s):
                await self._removals.drain()
                while self._under_way:
                    await asyncio.wait(
                        [asyncio.wrap_future(each) for each in tuple(self._under_way)]
                    )
        except TimeoutError:
            at = ", ".join(map(str, self._watch.late(after_s=0)))
            _log.warning("ending without waiting for workers of pods' links: they are at %s", at)
        for threads in (self._threads, self._remover):
            threads.shutdown(wait=False, cancel_futures=True)
        # A worker that is still at work has its socket in use.
        if not self._under_way:
            while self._made:
                self._made.pop().close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _run(self, what: str, work: Callable[[PodWorker], T]) -> T:
        return await self._run_in(self._threads, _MAKER, what, work)

    async def _run_in(
        self, threads: Threads, kind: str, what: str, work: Callable[[PodWorker], T]
    ) -> T:
        future = threads.submit(self._with_worker, kind, what, work)
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return await asyncio.wrap_future(future)

    def _with_worker(self, kind: str, what: str, work: Callable[[PodWorker], T]) -> T:
        """Run in a worker thread, with that thread's own socket."""
        with self._watch.at(kind, what):
            worker: PodWorker | None = getattr(self._local, "worker", None)
            if worker is None:
                worker = PodWorker(self._netns)
                self._local.worker = worker
                self._made.append(worker)
            return work(worker)
