"""The ordered list of rules as it is on this node now, and the tables made of it.

Both change together or not at all: rules that no table can hold are refused, and those before stay.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ciliate.datapath.bpf_map import open_pinned
from ciliate.datapath.errors import DatapathError
from ciliate.errors import CiliateError
from ciliate.masquerade.compile import RuleTables, compile_rules
from ciliate.masquerade.fitting import fitted, settled
from ciliate.masquerade.maps import (
    MASQUERADE_CHOICES,
    MASQUERADE_CLASSES,
    MASQUERADE_GENERATIONS,
    MASQUERADE_RULES,
)
from ciliate.masquerade.rules import UNSELECTED, Rule, Selection, decision_order
from ciliate.masquerade.table_entries import read_tables
from ciliate.net.address import IPAddress, IPNetwork
from ciliate.reconcile.listeners import Listeners
from ciliate.reconcile.status import RunStatus

#: Which rules of a list select each endpoint, by its number.
Selections = Callable[[Sequence[Rule]], Mapping[int, Selection]]


class RuleList:
    """The rules; `changed` is called without arguments when they, or the pods they select, have.

    `held` are the addresses of the node. `selections` says which pods there are, and whose they are.
    """

    def __init__(
        self,
        native: Iterable[IPNetwork],
        *,
        held: Callable[[], Collection[IPAddress] | None] = lambda: None,
        selections: Selections = lambda _: {},
        encapsulates: bool = False,
    ) -> None:
        self.changed: Listeners[[]] = Listeners()
        self.status = RunStatus("compile-masquerade-rules")
        self._native = tuple(native)
        self._encapsulates = encapsulates
        self._held_now = held
        self._selections_now = selections
        self._policies: tuple[Rule, ...] = ()
        self._excluded: tuple[IPNetwork, ...] | None = None
        self._making = asyncio.Lock()
        self._woken = asyncio.Event()
        self.rules: tuple[Rule, ...] = self._order((), None)
        self.held: Collection[IPAddress] | None = None
        self.selections: Mapping[int, Selection] = {}
        self.tables: RuleTables = compile_rules(self.rules)
        self._classes: Mapping[Selection, int] = {}
        #: The classes that pods would be in, and why there is no table of some.
        self._wanted: Mapping[int, Selection] = {}
        self._refused: Mapping[Selection, CiliateError] = {}

    @property
    def selects_pods(self) -> bool:
        """Whether any rule is for pods of certain labels or pools."""
        return any(rule.pods is not None for rule in self.rules)

    async def exclude(self, ranges: tuple[IPNetwork, ...]) -> None:
        """Have ip-masq-agent exclude these ranges and no others.

        Raises:
            TooManyPrefixesError: There are more than a table holds.
            TooManyChoicesError: Too many port ranges that are for all pods are for one of them.
        """
        async with self._making:
            await self._make(self._policies, ranges)
            self._excluded = ranges

    async def follow(self, policies: tuple[Rule, ...]) -> None:
        """Have these policies, and no others.

        Raises:
            TooManyPrefixesError: They name more destinations than a table holds.
            TooManyChoicesError: Too many of their port ranges are for one destination.
        """
        async with self._making:
            await self._make(policies, self._excluded)
            self._policies = policies

    async def check(self, policies: tuple[Rule, ...]) -> None:
        """Check that `follow` would take these policies; nothing changes.

        Raises:
            TooManyPrefixesError: It would not, as there.
            TooManyChoicesError: Likewise.
        """
        rules = self._order(policies, self._excluded)
        await asyncio.to_thread(fitted, rules, {}, {}, self._held_now())

    def wake(self) -> None:
        """Look again at pods and the node's addresses; cheap, from any callback of the loop."""
        self._woken.set()

    async def run(self) -> None:
        """Follow pods and the node's addresses until cancelled."""
        while True:
            await self._woken.wait()
            await self.look()

    async def look(self) -> None:
        """Look at pods and the node's addresses; the status says where that is refused."""
        self._woken.clear()
        try:
            await self.place_pods()
        except CiliateError as error:
            self.status.failed(str(error))

    async def place_pods(self) -> None:
        """Have pods in the classes in which they are now, and the addresses that the node has.

        Raises:
            TooManyPrefixesError: The rules that are for all pods do not fit.
            TooManyChoicesError: Likewise.
        """
        async with self._making:
            wanted = self._selections_now(self.rules)
            if self._held_now() != self.held or self._needs_tables(wanted):
                await self._make(self._policies, self._excluded)
                return
            selections = settled(wanted, self.selections, self._classes)
            self._wanted = wanted
            if selections != self.selections:
                self.selections = selections
                self.tables = replace(self.tables, pods=self._placed(selections))
                self.changed()
            self._tell()

    def refusal(self, endpoint: int) -> CiliateError | None:
        """Return why the rules that select an endpoint's pod are not in force for it; None: they are."""
        return self._refused.get(self._wanted.get(endpoint, UNSELECTED))

    def _order(
        self, policies: tuple[Rule, ...], excluded: tuple[IPNetwork, ...] | None
    ) -> tuple[Rule, ...]:
        return decision_order(
            native=self._native,
            policies=policies,
            excluded=excluded,
            encapsulates=self._encapsulates,
        )

    async def _make(
        self, policies: tuple[Rule, ...], excluded: tuple[IPNetwork, ...] | None
    ) -> None:
        rules = self._order(policies, excluded)
        held, wanted = self._held_now(), self._selections_now(rules)
        before = self.selections if rules == self.rules else {}
        # A long list takes 40 ms.
        found = await asyncio.to_thread(fitted, rules, wanted, before, held)
        self._classes, self._refused, self._wanted = found.classes, found.refused, wanted
        self.rules, self.held = rules, held
        self.selections = settled(wanted, before, self._classes)
        self.tables = replace(found.tables, pods=self._placed(self.selections))
        self.changed()
        self._tell()

    def _needs_tables(self, wanted: Mapping[int, Selection]) -> bool:
        """Whether a pod is of a class that is new, or there may be room now for one that had none."""
        classes = set(wanted.values()) - {UNSELECTED}
        if self._refused and classes != set(self._wanted.values()) - {UNSELECTED}:
            return True
        return not classes <= self._classes.keys() | self._refused.keys()

    def _placed(self, selections: Mapping[int, Selection]) -> Mapping[int, int]:
        return {
            endpoint: self._classes[each]
            for endpoint, each in selections.items()
            if each != UNSELECTED
        }

    def _tell(self) -> None:
        """Say in the status whose rules are not in force."""
        left = [each for each in self._wanted.values() if each in self._refused]
        if left:
            reason = self._refused[left[0]]
            self.status.failed(
                f"{reason}; pods that keep the rules that they had, or go without: {len(left)}"
            )
        else:
            self.status.succeeded()


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
        open_pinned(bpf_root, MASQUERADE_CLASSES) as classes,
    ):
        return read_tables(now, dict(rules.items()), dict(choices.items()), dict(classes.items()))


def restored_ranges(bpf_root: Path) -> tuple[IPNetwork, ...]:
    """Return what ip-masq-agent excluded when the agent before this one ended. Blocking."""
    try:
        tables = pinned_tables(bpf_root)
    except DatapathError:  # A first start, or maps of another version: nothing is known.
        return ()
    return () if tables is None else tuple(tables.agent_prefixes())
