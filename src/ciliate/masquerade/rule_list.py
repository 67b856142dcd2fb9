"""The ordered list of rules as it is on this node now, and the tables made of it.

Both change together or not at all: rules that no table can hold are refused, and those before stay.
"""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from ciliate.datapath.bpf_map import open_pinned
from ciliate.datapath.errors import DatapathError
from ciliate.masquerade.compile import PREFIXES_MAX, RuleTables, compile_rules
from ciliate.masquerade.maps import MASQUERADE_CHOICES, MASQUERADE_GENERATIONS, MASQUERADE_RULES
from ciliate.masquerade.prefix_search import MARKERS_MAX, markers
from ciliate.masquerade.rules import Rule, decision_order
from ciliate.masquerade.table_entries import check_room, read_tables
from ciliate.net.address import IPNetwork
from ciliate.reconcile.listeners import Listeners


class RuleList:
    """The rules; `changed` is called without arguments when they have."""

    def __init__(self, native: Iterable[IPNetwork]) -> None:
        self.changed: Listeners[[]] = Listeners()
        self._native = tuple(native)
        self.rules: tuple[Rule, ...] = decision_order(native=self._native)
        self.tables: RuleTables = compile_rules(self.rules)

    async def exclude(self, ranges: tuple[IPNetwork, ...]) -> None:
        """Have ip-masq-agent exclude these ranges and no others.

        Raises:
            TooManyPrefixesError: There are more than a table holds.
        """
        rules = decision_order(native=self._native, excluded=ranges)
        tables = await asyncio.to_thread(_fitting_tables, rules)  # A long list takes 40 ms.
        self.rules, self.tables = rules, tables
        self.changed()


def _fitting_tables(rules: tuple[Rule, ...]) -> RuleTables:
    tables = compile_rules(rules)
    if len(tables.outcomes) > PREFIXES_MAX // MARKERS_MAX:
        check_room(tables.outcomes, markers(tables.outcomes))
    return tables


def pinned_tables(bpf_root: Path) -> RuleTables | None:
    """Return the tables that a pinned map has in force; None where there are none. Blocking.

    Raises:
        DatapathError: The maps cannot be read, or are of another version.
    """
    with open_pinned(bpf_root, MASQUERADE_GENERATIONS) as generations:
        now = generations.get(0)
    if now is None or now.number == 0:
        return None
    with (
        open_pinned(bpf_root, MASQUERADE_RULES) as rules,
        open_pinned(bpf_root, MASQUERADE_CHOICES) as choices,
    ):
        return read_tables(now, dict(rules.items()), dict(choices.items()))


def restored_ranges(bpf_root: Path) -> tuple[IPNetwork, ...]:
    """Return what ip-masq-agent excluded when the agent before this one ended. Blocking."""
    try:
        tables = pinned_tables(bpf_root)
    except DatapathError:  # A first start, or maps of another version: nothing is known.
        return ()
    return () if tables is None else tuple(tables.agent_prefixes())
