"""The masquerade rules in the kernel: all of them replaced at once, for every packet.

A reconciler's target with one key, since rules have no meaning one by one. Tables and choices exist
in two generations, told by the lowest bit of their number: `put` fills those that are not in force,
puts them into force by one write, and empties the others. An agent that is killed meanwhile leaves
a whole list in force, and leftovers that the next `put` clears. Pods that join a class, or leave
one, change nothing but their own entries.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Final

from ciliate.datapath.datapath import Datapath
from ciliate.datapath.layout import MasqueradeGeneration, MasqueradeGenerationFlag
from ciliate.errors import CiliateError
from ciliate.masquerade.compile import RuleTables
from ciliate.masquerade.maps import (
    MASQUERADE_CHOICES,
    MASQUERADE_CLASSES,
    MASQUERADE_GENERATIONS,
    MASQUERADE_LOOKS,
    MASQUERADE_RULES,
)
from ciliate.masquerade.table_entries import (
    LOOK_BITS,
    TableEntries,
    class_entries,
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
    """The five maps together; calls that are not awaited are blocking."""

    name: Final = "sync-masquerade-rules"

    def __init__(self, datapath: Datapath) -> None:
        self._rules = datapath.opened(MASQUERADE_RULES)
        self._choices = datapath.opened(MASQUERADE_CHOICES)
        self._looks = datapath.opened(MASQUERADE_LOOKS)
        self._generations = datapath.opened(MASQUERADE_GENERATIONS)
        self._classes = datapath.opened(MASQUERADE_CLASSES)
        self._in_force: RuleTables | None = None  # As last read or written; None: not known.
        self._changed = asyncio.Condition()

    async def observe(self) -> Mapping[str, RuleTables]:
        """Return the generation in force; nothing where none was ever written."""
        found = await asyncio.to_thread(self.read)
        return {} if found is None else {RULES: found}

    async def put(self, entries: Mapping[str, RuleTables]) -> Failures[str]:
        """Put the tables into force as a whole; those before stay where that fails."""
        try:
            await asyncio.to_thread(self._bring, entries[RULES])
        except CiliateError as error:
            return {RULES: error}
        async with self._changed:
            self._changed.notify_all()
        return {}

    async def reached(self, is_reached: Callable[[RuleTables], bool]) -> None:
        """Wait until tables are in force of which `is_reached` is true."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: self._in_force is not None and is_reached(self._in_force)
            )

    async def remove(self, keys: Collection[str]) -> Failures[str]:
        """Put a generation without rules into force."""
        del keys
        return await self.put({RULES: RuleTables({}, has_agent=False)})

    def read(self) -> RuleTables | None:
        """Return the generation in force; None where none was ever written, or one is damaged."""
        now = self._generation()
        if now.number == 0:
            return None
        held = self._held(now.number)
        tables = read_tables(now, held.rules, held.choices, held.classes)
        self._in_force = tables if table_entries(tables, now.number) == held else None
        return self._in_force

    def _held(self, number: int) -> TableEntries:
        """Return all entries of generation `number`."""
        return TableEntries(
            {key: rule for key, rule in self._rules.items() if is_of(number, key)},
            {key: choice for key, choice in self._choices.items() if is_of(number, key)},
            {key: look for key, look in self._looks.items() if is_of(number, key >> LOOK_BITS)},
            {key: each for key, each in self._classes.items() if is_of(number, key)},
        )

    def _bring(self, tables: RuleTables) -> None:
        """Put `tables` into force, by no more than what differs where that is pods alone."""
        before, self._in_force = self._in_force, None  # Not known where this fails.
        if before is not None and replace(tables, pods=before.pods) == before:
            self._place(before.pods, tables.pods)
        else:
            self.replace(tables)
        self._in_force = tables

    def _place(self, before: Mapping[int, int], after: Mapping[int, int]) -> None:
        """Give pods the classes of `after`, whose tables are in force."""
        number = self._generation().number
        moved = {pod: each for pod, each in after.items() if before.get(pod) != each}
        gone = {pod: each for pod, each in before.items() if pod not in after}
        self._classes.remove_many(list(class_entries(gone, number)))
        self._classes.put_many(class_entries(moved, number))

    def replace(self, tables: RuleTables) -> None:
        """Put `tables` into force.

        Raises:
            DatapathError: The kernel refused; what was in force is so still.
            TooManyPrefixesError: They do not fit; likewise.
        """
        now = self._generation()
        number = now.number + 1 if now.number + 1 < _NUMBER_END else 2
        entries = table_entries(tables, number)
        self._clear_all_but(now.number)
        self._choices.put_many(entries.choices)
        self._rules.put_many(entries.rules)
        self._looks.put_many(entries.looks)
        self._classes.put_many(entries.classes)
        flags = MasqueradeGenerationFlag.MASQUERADE_AGENT_ON if tables.has_agent else 0
        self._generations.put(0, MasqueradeGeneration(number=number, flags=flags))
        self._clear_all_but(number)

    def _generation(self) -> MasqueradeGeneration:
        found = self._generations.get(0)
        assert found is not None, "an array has all its entries"
        return found

    def _clear_all_but(self, number: int) -> None:
        """Remove what is not of generation `number`."""
        self._rules.remove_many([key for key, _ in self._rules.items() if not is_of(number, key)])
        self._choices.remove_many(
            [key for key, _ in self._choices.items() if not is_of(number, key)]
        )
        self._classes.remove_many(
            [key for key, _ in self._classes.items() if not is_of(number, key)]
        )
