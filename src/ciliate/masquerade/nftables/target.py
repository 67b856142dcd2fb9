"""Our table in the kernel, as a reconciler writes it: one transaction a batch.

Nobody else's table is read or written. What does not fit what stands (a set of another kind, one
that a rule still names) is healed by a transaction that replaces the whole table.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping

from ciliate.errors import CiliateError
from ciliate.masquerade.nftables import script
from ciliate.masquerade.nftables.listing import parts_of
from ciliate.masquerade.nftables.model import FAMILY, TABLE, Part, Parts
from ciliate.netlink.nftables import Nftables
from ciliate.reconcile.target import Failures


class NftablesTarget:
    """The parts of table `inet ciliate`, by name.

    `wanted` is the whole table as it should be, for a replacement; empty: no table.
    """

    name = "sync-nftables"

    def __init__(self, nftables: Nftables, wanted: Callable[[], Parts | None]) -> None:
        self._nftables = nftables
        self._wanted = wanted
        self._known: dict[str, Part] | None = None  # As last read or written; None: not known.
        #: What the last put found as it should be (reconcile/rewrites.py).
        self.left_alone: Collection[str] = ()

    async def observe(self) -> Mapping[str, Part]:
        """Return what stands in the table; nothing when there is none."""
        self._known = None
        listed = await self._nftables.table(FAMILY, TABLE)
        self._known = await asyncio.to_thread(parts_of, listed or ())
        return self._known

    async def put(self, entries: Mapping[str, Part]) -> Failures[str]:
        """Make these parts what they should be: all in one transaction, or none."""
        try:
            found = await self._found()
            changed = {name: part for name, part in entries.items() if found.get(name) != part}
            self.left_alone = entries.keys() - changed.keys()
            if changed:
                await self._write(script.difference(changed, found), {**found, **changed})
        except CiliateError as error:
            return dict.fromkeys(entries, error)
        return {}

    async def remove(self, keys: Collection[str]) -> Failures[str]:
        """Remove these parts; with the last one goes the table."""
        try:
            found = await self._found()
            left = {name: part for name, part in found.items() if name not in keys}
            self.left_alone = set(keys) - found.keys()
            if len(left) < len(found):
                text = script.deletion(keys, found) if left else script.removal()
                await self._write(text, left)
        except CiliateError as error:
            return dict.fromkeys(keys, error)
        return {}

    async def _found(self) -> Mapping[str, Part]:
        return self._known if self._known is not None else await self.observe()

    async def _write(self, text: str | None, result: dict[str, Part]) -> None:
        """Have the kernel take `text`, after which it has `result`; or else the whole table.

        Raises:
            CiliateError: The kernel took neither; what stood there stands.
        """
        self._known = None
        if text is None or not await self._accepted(text):
            result = dict(self._wanted() or {})
            await self._nftables.transact(
                script.replacement(result) if result else script.removal()
            )
        self._known = result

    async def _accepted(self, text: str) -> bool:
        """Whether the kernel took a change of single parts."""
        try:
            await self._nftables.transact(text)
        except CiliateError:
            return False
        return True
