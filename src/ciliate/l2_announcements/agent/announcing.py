"""The announcements of a running node: what it may announce is followed, and what it holds answered."""

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from ciliate.datapath.bpf_map import OpenMap
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.errors import DatapathError
from ciliate.datapath.layout import L2Responder, L2ResponderKey
from ciliate.datapath.target import MapTarget
from ciliate.errors import CiliateError
from ciliate.kube.election import Timing
from ciliate.l2_announcements.agent.leases import Leases
from ciliate.l2_announcements.agent.links import Links, Target
from ciliate.l2_announcements.agent.tables import Tables
from ciliate.l2_announcements.maps import L2_ALIVE, L2_RESPONDERS
from ciliate.l2_announcements.plan import Device, Node, Plan, plan
from ciliate.l2_announcements.report import Announced
from ciliate.net.address import mac_octets, to_octets
from ciliate.net.link import Link
from ciliate.node.context import Context
from ciliate.reconcile.reconciler import Reconciler
from ciliate.reconcile.status import RunStatus

_log = logging.getLogger(__name__)

_ONLY: Final = 0
#: Changes come in bursts: a Service with its address, then its endpoints.
_SETTLE_S: Final = 0.05
#: At most this part of the time is spent on looking.
_SHARE: Final = 0.05
#: How often the programs are told that the agent lives, at least; and in the time that it holds.
_BEAT_S: Final = 1.0
_BEATS: Final = 3


class ResponderTarget(MapTarget[L2ResponderKey, L2Responder]):
    """The map of what is answered, without how often it was."""

    async def observe(self) -> Mapping[L2ResponderKey, L2Responder]:
        """Return the entries as they were written."""
        found = await super().observe()
        return {key: each._replace(answered=0) for key, each in found.items()}


class Announcing:
    """This node's announcements; `run` is their task, once `open` has given them the maps."""

    def __init__(self, context: Context) -> None:
        self._context = context
        settings = context.settings.l2
        self._timing = Timing(settings.lease_s, settings.renew_deadline_s, settings.retry_s)
        self._woken = asyncio.Event()
        self._status = RunStatus("l2-announcements")
        self._plan = Plan()
        self._targets: dict[Target, bytes] = {}
        self._links = Links(self._device_name)
        self._speaking: asyncio.TaskGroup | None = None
        self._leases = Leases(
            context.client,
            namespace=context.installation.namespace,
            node=context.own.name,
            timing=self._timing,
            changed=self._apply,
        )
        self._tables = Tables(
            context.client,
            context.own.name,
            context.settings.services.proxy_name,
            self._woken.set,
        )
        self._responders: OpenMap[L2ResponderKey, L2Responder] | None = None
        self._alive: OpenMap[int, bytes] | None = None
        self._sync: Reconciler[L2ResponderKey, L2Responder] | None = None

    def open(self, datapath: Datapath) -> Reconciler[L2ResponderKey, L2Responder]:
        """Return the reconciler of what is answered."""
        self._responders = datapath.opened(L2_RESPONDERS)
        self._alive = datapath.opened(L2_ALIVE)
        self._sync = Reconciler(
            ResponderTarget("sync-l2-announcements", self._responders), self._entries
        )
        return self._sync

    @property
    def statuses(self) -> Sequence[RunStatus]:
        """How it goes."""
        return (self._status,)

    def announced(self) -> list[Announced]:
        """Return what this node answers for."""
        owners = {
            target: "/".join(key)
            for key in self._leases.held
            if key in self._plan.candidates
            for target in self._plan.candidates[key].targets
        }
        found = []
        for target in sorted(self._targets, key=lambda t: (t[0].version, int(t[0]), t[1])):
            entry = self._responders.get(_key(target)) if self._responders is not None else None
            if entry is not None:
                name = self._device_name(target[1])
                service = owners.get(target, "")
                found.append(Announced(str(target[0]), name, service, entry.answered))
        return found

    async def run(self) -> None:
        """Announce until cancelled; what is held is let go then, the programs first."""
        context = self._context
        context.devices.listen(lambda _old, _new: self._woken.set())
        context.cluster.own.listen(lambda _old, _new: self._woken.set())
        beat = asyncio.create_task(self._beat(), name="l2 beat")
        try:
            async with asyncio.TaskGroup() as tasks:
                self._speaking = tasks
                tasks.create_task(self._tables.policies.run(), name="watch l2 policies")
                await self._tables.policies.synced()
                while True:
                    self._woken.clear()
                    began_s = time.thread_time()
                    self._look(tasks)
                    took_s = time.thread_time() - began_s
                    await self._woken.wait()
                    await asyncio.sleep(max(_SETTLE_S, took_s / _SHARE))
        finally:
            self._speaking = None
            beat.cancel()
            self._links.close()
            self._say_alive(0)

    async def _beat(self) -> None:
        """Tell the programs that the agent lives, until a moment before others may take a Lease."""
        lasts_s = self._timing.lease_s - self._timing.renew_deadline_s
        while True:
            self._say_alive(time.clock_gettime_ns(time.CLOCK_MONOTONIC) + int(lasts_s * 1e9))
            await asyncio.sleep(min(_BEAT_S, lasts_s / _BEATS))

    def _say_alive(self, until_ns: int) -> None:
        if self._alive is not None:
            with contextlib.suppress(DatapathError):
                self._alive.put(_ONLY, until_ns.to_bytes(8, sys.byteorder))

    def _look(self, tasks: asyncio.TaskGroup) -> None:
        """Compete for what the objects ask for, once all is known that it stands on."""
        try:
            self._tables.follow(tasks)
            if not self._tables.has_synced:
                return
            node = Node(self._context.own.labels, self._devices(), self._tables.services.local())
            policies = self._tables.policies.objects.values()
            found = plan(policies, self._tables.services.services(), node)
        except CiliateError as error:
            self._status.failed(str(error))
            return
        for problem in found.problems:
            if problem not in self._plan.problems:
                _log.warning("layer 2: %s", problem)
        self._plan = found
        self._leases.follow({key: each.lease for key, each in found.candidates.items()}, tasks)
        self._apply()
        self._status.succeeded()

    def _apply(self) -> None:
        """Have answered what is held and may be announced, and nothing else."""
        before, after = self._targets, self._wanted()
        self._targets = after
        gone = [_key(each) for each in before.keys() - after.keys()]
        new = {each: mac for each, mac in after.items() if before.get(each) != mac}
        if gone and self._responders is not None:  # At once: another may begin.
            with contextlib.suppress(DatapathError):
                self._responders.remove_many(gone)
        if self._sync is not None and (gone or new):
            self._sync.touch({*gone, *map(_key, new)})
        if before.keys() != after.keys():
            self._links.listen(after)
        if new and self._speaking is not None:
            self._speaking.create_task(
                self._links.speak(new, lambda target: self._targets.get(target) == new[target]),
                name="l2 unasked",
            )

    def _wanted(self) -> dict[Target, bytes]:
        macs = {device.index: device.mac for device in self._devices()}
        return {
            target: macs[target[1]]
            for key in self._leases.held
            if key in self._plan.candidates
            for target in self._plan.candidates[key].targets
            if target[1] in macs
        }

    def _entries(self) -> Mapping[L2ResponderKey, L2Responder]:
        return {
            _key(target): L2Responder(answered=0, mac=mac, reserved=0)
            for target, mac in self._targets.items()
        }

    def _devices(self) -> tuple[Device, ...]:
        return tuple(_usable(self._context.devices.current.selected))

    def _device_name(self, index: int) -> str:
        links = self._context.devices.current.selected
        return next((link.name for link in links if link.index == index), "")


def _usable(links: Iterable[Link]) -> Iterator[Device]:
    for link in links:
        if link.is_ethernet and link.mac is not None and link.is_up:
            yield Device(link.index, link.name, mac_octets(link.mac))


def _key(target: Target) -> L2ResponderKey:
    return L2ResponderKey(to_octets(target[0]), target[1])
