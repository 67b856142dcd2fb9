"""The masquerade rules in the kernel: all of them replaced at once, for every packet.

A reconciler's target with one key, since rules have no meaning one by one. Tables and choices exist
in two generations, told by the lowest bit of their number: `put` fills those that are not in force,
puts them into force by one write, and empties the others. An agent that is killed meanwhile leaves
a whole list in force, and leftovers that the next `put` clears.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

from ciliate.datapath.datapath import Datapath
from ciliate.datapath.layout import MasqueradeGeneration, MasqueradeGenerationFlag
from ciliate.errors import CiliateError
from ciliate.masquerade.compile import RuleTables
from ciliate.masquerade.maps import (
    MASQUERADE_CHOICES,
    MASQUERADE_GENERATIONS,
    MASQUERADE_LOOKS,
    MASQUERADE_RULES,
)
from ciliate.masquerade.table_entries import (
    LOOK_BITS,
    TableEntries,
    is_of,
    read_tables,
    table_entries,
)
from ciliate.reconcile.target import Failures

#: The one key.
RULES: Final = "rules"

#: Generations count up to what the map's 32 bits hold, and go on at 2: 0 is that of a new map.
_NUMBER_END: Final = 1 << 32


class RuleTable:
    """The four maps together; all calls but the target's own three are blocking."""

    name: Final = "sync-masquerade-rules"

    def __init__(self, datapath: Datapath) -> None:
        self._rules = datapath.opened(MASQUERADE_RULES)
        self._choices = datapath.opened(MASQUERADE_CHOICES)
        self._looks = datapath.opened(MASQUERADE_LOOKS)
        self._generations = datapath.opened(MASQUERADE_GENERATIONS)

    async def observe(self) -> Mapping[str, RuleTables]:
        """Return the generation in force; nothing where none was ever written."""
        found = await asyncio.to_thread(self.read)
        return {} if found is None else {RULES: found}

    async def put(self, entries: Mapping[str, RuleTables]) -> Failures[str]:
        """Put the tables into force as a whole; those before stay where that fails."""
        try:
            await asyncio.to_thread(self.replace, entries[RULES])
        except CiliateError as error:
            return {RULES: error}
        return {}

    async def remove(self, keys: Collection[str]) -> Failures[str]:
        """Put a generation without rules into force."""
        del keys
        return await self.put({RULES: RuleTables({}, has_agent=False)})

    def read(self) -> RuleTables | None:
        """Return the generation in force; None where none was ever written, or one is damaged."""
        now = self._in_force()
        if now.number == 0:
            return None
        held = self._held(now.number)
        tables = read_tables(now, held.rules, held.choices)
        return tables if table_entries(tables, now.number) == held else None

    def _held(self, number: int) -> TableEntries:
        """Return all entries of generation `number`."""
        return TableEntries(
            {key: rule for key, rule in self._rules.items() if is_of(number, key)},
            {key: choice for key, choice in self._choices.items() if is_of(number, key)},
            {key: look for key, look in self._looks.items() if is_of(number, key >> LOOK_BITS)},
        )

    def replace(self, tables: RuleTables) -> None:
        """Put `tables` into force.

        Raises:
            DatapathError: The kernel refused; what was in force is so still.
            TooManyPrefixesError: They do not fit; likewise.
        """
        now = self._in_force()
        number = now.number + 1 if now.number + 1 < _NUMBER_END else 2
        entries = table_entries(tables, number)
        self._clear_all_but(now.number)
        self._choices.put_many(entries.choices)
        self._rules.put_many(entries.rules)
        self._looks.put_many(entries.looks)
        flags = MasqueradeGenerationFlag.MASQUERADE_AGENT_ON if tables.has_agent else 0
        self._generations.put(0, MasqueradeGeneration(number=number, flags=flags))
        self._clear_all_but(number)

    def _in_force(self) -> MasqueradeGeneration:
        found = self._generations.get(0)
        assert found is not None, "an array has all its entries"
        return found

    def _clear_all_but(self, number: int) -> None:
        """Remove what is not of generation `number`."""
        self._rules.remove_many([key for key, _ in self._rules.items() if not is_of(number, key)])
        self._choices.remove_many(
            [key for key, _ in self._choices.items() if not is_of(number, key)]
        )
