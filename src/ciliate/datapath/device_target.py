"""Devices of the node as a reconciler's target: each runs the programs that are loaded now."""

import asyncio
from collections.abc import Callable, Collection, Mapping

from ciliate.datapath.datapath import Datapath
from ciliate.datapath.device import ProgrammedDevice
from ciliate.reconcile.target import Failures, one_by_one


class DeviceTarget:
    """The devices that run our programs, by name."""

    def __init__(self, name: str, datapath: Datapath, *, is_own: Callable[[str], bool]) -> None:
        """`is_own` says by its name whether a device is this target's: others have their own."""
        self.name = name
        self._datapath = datapath
        self._is_own = is_own

    async def observe(self) -> Mapping[str, ProgrammedDevice | None]:
        """Return the devices with programs; None: not all are those loaded now."""
        attached = await asyncio.to_thread(self._datapath.attached)
        return {
            name: ProgrammedDevice(attachment.ifindex, attachment.runs.role)
            if attachment.runs
            else None
            for name, attachment in attached.items()
            if self._is_own(name)
        }

    async def put(self, entries: Mapping[str, ProgrammedDevice | None]) -> Failures[str]:
        """Attach, or replace an older program in one step."""

        async def attach(device: str) -> None:
            wanted = entries[device]
            if wanted is not None:
                await asyncio.to_thread(
                    self._datapath.attach,
                    ifindex=wanted.ifindex,
                    device=device,
                    role=wanted.role,
                )

        return await one_by_one(entries, attach)

    async def remove(self, keys: Collection[str]) -> Failures[str]:
        """Detach; an absent device is a success."""

        async def detach(device: str) -> None:
            await asyncio.to_thread(self._datapath.detach, device)

        return await one_by_one(keys, detach)
