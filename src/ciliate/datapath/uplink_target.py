"""The node's devices as a reconciler's target: each runs the programs that are loaded now."""

import asyncio
from collections.abc import Collection, Mapping

from ciliate.datapath.datapath import Datapath
from ciliate.reconcile.target import Failures, one_by_one


class UplinkTarget:
    """The devices that run our programs, by name with their ifindex."""

    name = "sync-devices"

    def __init__(self, datapath: Datapath) -> None:
        self._datapath = datapath

    async def observe(self) -> Mapping[str, int]:
        """Return the devices whose both ends run the programs loaded now."""
        attached = await asyncio.to_thread(self._datapath.attached)
        return {
            name: attachment.ifindex if attachment.current else 0
            for name, attachment in attached.items()
        }

    async def put(self, entries: Mapping[str, int]) -> Failures[str]:
        """Attach, or replace an older program in one step."""

        async def attach(device: str) -> None:
            await asyncio.to_thread(
                self._datapath.attach_uplink, ifindex=entries[device], device=device
            )

        return await one_by_one(entries, attach)

    async def remove(self, keys: Collection[str]) -> Failures[str]:
        """Detach; an absent device is a success."""

        async def detach(device: str) -> None:
            await asyncio.to_thread(self._datapath.detach_uplink, device)

        return await one_by_one(keys, detach)
