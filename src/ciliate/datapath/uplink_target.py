"""The node's devices as a reconciler's target: each runs the programs that are loaded now."""

import asyncio
from collections.abc import Collection, Mapping

from ciliate.datapath.datapath import Datapath
from ciliate.datapath.uplink import UplinkDevice
from ciliate.reconcile.target import Failures, one_by_one


class UplinkTarget:
    """The devices that run our programs, by name."""

    name = "sync-devices"

    def __init__(self, datapath: Datapath) -> None:
        self._datapath = datapath

    async def observe(self) -> Mapping[str, UplinkDevice | None]:
        """Return the devices with programs; None: not both are those loaded now."""
        attached = await asyncio.to_thread(self._datapath.attached)
        return {
            name: UplinkDevice(attachment.ifindex, attachment.runs.ethernet)
            if attachment.runs
            else None
            for name, attachment in attached.items()
        }

    async def put(self, entries: Mapping[str, UplinkDevice | None]) -> Failures[str]:
        """Attach, or replace an older program in one step."""

        async def attach(device: str) -> None:
            wanted = entries[device]
            if wanted is not None:
                await asyncio.to_thread(
                    self._datapath.attach_uplink,
                    ifindex=wanted.ifindex,
                    device=device,
                    ethernet=wanted.ethernet,
                )

        return await one_by_one(entries, attach)

    async def remove(self, keys: Collection[str]) -> Failures[str]:
        """Detach; an absent device is a success."""

        async def detach(device: str) -> None:
            await asyncio.to_thread(self._datapath.detach_uplink, device)

        return await one_by_one(keys, detach)
