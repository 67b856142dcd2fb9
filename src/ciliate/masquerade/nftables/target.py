"""Our table in the kernel, as a reconciler writes it: one transaction a batch.

Nobody else's table is read or written. What does not fit what stands (a set of another kind, one
that a rule still names) is healed by a transaction that replaces the whole table.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from ciliate.errors import CiliateError
from ciliate.masquerade.nftables import script
from ciliate.masquerade.nftables.listing import parts_of
from ciliate.masquerade.nftables.model import FAMILY, TABLE, Part, Parts
from ciliate.netlink.nftables import Nftables
from ciliate.reconcile.target import Failures


class Wanted(NamedTuple):
    """What the table should be; versions count up. None: it is not known yet."""

    version: int
    parts: Parts | None


class NftablesTarget:
    """The parts of table `inet ciliate`, by name.

    `wanted` is the whole table as it should be, for a replacement; empty: no table.
    """

    name = "sync-nftables"

    def __init__(self, nftables: Nftables, wanted: Callable[[], Wanted]) -> None:
        self._nftables = nftables
        self._wanted = wanted
        self._standing = 0  # The version that was seen to stand last.
        self._known: dict[str, Part] | None = None  # As last read or written; None: not known.
        self._changed = asyncio.Condition()
        #: What the last put found as it should be (reconcile/rewrites.py).
        self.left_alone: Collection[str] = ()

    async def observe(self) -> Mapping[str, Part]:
        """Return what stands in the table; nothing when there is none."""
        self._known = None
        listed = await self._nftables.table(FAMILY, TABLE)
        found = await asyncio.to_thread(parts_of, listed or ())
        await self._learned(found, self._wanted())
        return found

    async def _learned(self, parts: dict[str, Part], wanted: Wanted) -> None:
        """Note what stands, and tell who waits for it; `wanted` is a version that it may be."""
        self._known = parts
        if wanted.parts is None or any(parts.get(n) != p for n, p in wanted.parts.items()):
            return
        self._standing = wanted.version
        async with self._changed:
            self._changed.notify_all()

    async def put(self, entries: Mapping[str, Part]) -> Failures[str]:
        """Make these parts what they should be: all in one transaction, or none."""
        wanted = self._wanted()
        try:
            found = await self._found()
            changed = {name: part for name, part in entries.items() if found.get(name) != part}
            self.left_alone = entries.keys() - changed.keys()
            if changed:
                await self._write(script.difference(changed, found), {**found, **changed}, wanted)
            else:
                await self._learned(dict(found), wanted)
        except CiliateError as error:
            return dict.fromkeys(entries, error)
        return {}

    async def reached(self, version: int) -> None:
        """Wait until the table has stood as a version wants it, or a later one.

        A table that keeps changing is never as it is wanted at the very moment.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._standing >= version)

    async def remove(self, keys: Collection[str]) -> Failures[str]:
        """Remove these parts; with the last one goes the table."""
        try:
            found = await self._found()
            left = {name: part for name, part in found.items() if name not in keys}
            self.left_alone = set(keys) - found.keys()
            if len(left) < len(found):
                text = script.deletion(keys, found) if left else script.removal()
                await self._write(text, left, self._wanted())
        except CiliateError as error:
            return dict.fromkeys(keys, error)
        return {}

    async def _found(self) -> Mapping[str, Part]:
        return self._known if self._known is not None else await self.observe()

    async def _write(self, text: str | None, result: dict[str, Part], wanted: Wanted) -> None:
        """Have the kernel take `text`, after which it has `result`; or else the whole table.

        Raises:
            CiliateError: The kernel took neither; what stood there stands.
        """
        self._known = None
        if text is None or not await self._accepted(text):
            wanted = self._wanted()
            result = dict(wanted.parts or {})
            await self._nftables.transact(
                script.replacement(result) if result else script.removal()
            )
        await self._learned(result, wanted)

    async def _accepted(self, text: str) -> bool:
        """Whether the kernel took a change of single parts."""
        try:
            await self._nftables.transact(text)
        except CiliateError:
            return False
        return True
