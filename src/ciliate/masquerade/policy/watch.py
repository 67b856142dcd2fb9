"""The MasqueradePolicies of the cluster, followed by an agent.

Where the API server knows no such kind, since its operator is of an earlier version, there are none,
and where it does not let the agent read them there are none either, which the status says.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from ciliate.api.masquerade_policy import MASQUERADE_POLICIES, MasqueradePolicy
from ciliate.errors import CiliateError
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ForbiddenError, NotFoundError
from ciliate.kube.informer import Informer
from ciliate.kube.retrying import waiting_text
from ciliate.masquerade.policy.book import PolicyBook
from ciliate.masquerade.rules import Rule
from ciliate.node.progress import Progress
from ciliate.reconcile.status import RunStatus

_log = logging.getLogger(__name__)

#: Objects are applied in groups (`kubectl apply -f` of a folder): one pass serves them all.
_SETTLE_S: Final = 0.02

#: How often it is asked, at a start, whether the first list has come or is refused.
_LOOK_S: Final = 0.05

#: After rules were refused that no table holds: the same may fit when others' are fewer.
_RETRY_S: Final = 10.0

#: Objects that are left out one by one, where a table does not hold the rules of all; each costs
#: some looks at a list. With one more, all that are behind are left out.
_LEFT_OUT_MAX: Final = 8

#: Refused objects that the status names; of the others it says how many they are.
_NAMES_MAX: Final = 16

#: The rules of objects, by their names, in order.
RulesByName = Mapping[str, tuple[Rule, ...]]

#: Has these rules, and no others of policies, in force, or refuses them with a CiliateError.
Accept = Callable[[tuple[Rule, ...]], Awaitable[None]]

#: Whether a table holds these rules, which changes nothing: raises a CiliateError where none does.
Check = Callable[[tuple[Rule, ...]], Awaitable[None]]


class PolicyWatch:
    """Keeps what the objects say in force; `watch` and `run` are its tasks."""

    def __init__(self, client: ApiClient, *, accept: Accept, check: Check) -> None:
        self.status = RunStatus("masquerade-policies")
        self._accept = accept
        self._check = check
        self._book = PolicyBook()
        self._accepted: tuple[Rule, ...] | None = ()  # None: not all of them.
        #: What no table holds, and the objects that were left out of it, with the reason.
        self._refused: tuple[Rule, ...] | None = None
        self._left_out: Mapping[str, CiliateError] = {}
        self._woken = asyncio.Event()
        self._table: Informer[MasqueradePolicy] = Informer(
            client, MASQUERADE_POLICIES, on_change=self._changed
        )

    async def watch(self) -> None:
        """Follow the objects until cancelled."""
        await self._table.run()

    async def start(self, progress: Progress) -> None:
        """Have the objects of now in force: `watch` runs already."""
        while not self._table.has_synced and not self._are_none:
            if (error := self._table.last_error) is not None:
                progress.say(f"watch of {self._table.name}: {waiting_text(error)}")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._table.synced()
        await self._apply()

    async def run(self) -> None:
        """Have what changes in force until cancelled."""
        while True:
            # An outage of the watch is no change of an object: it is told all the same.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RETRY_S):
                    await self._woken.wait()
            await asyncio.sleep(_SETTLE_S)
            await self._apply()

    @property
    def _are_none(self) -> bool:
        """Whether there are none for us, as far as the API server says."""
        return isinstance(self._table.last_error, NotFoundError | ForbiddenError)

    def _changed(self, old: MasqueradePolicy | None, new: MasqueradePolicy | None) -> None:
        if new is None:
            assert old is not None, "a change has a before or an after"
            self._book.remove(old.metadata.name)
        elif old is None or old.spec != new.spec:
            self._book.put(new)
        else:
            return  # Its status, most often.
        self._woken.set()

    async def _apply(self) -> None:
        self._woken.clear()
        by_name = self._book.rules_by_name
        try:
            if _joined(by_name) != self._accepted:
                await self._follow(by_name)
        except CiliateError as error:
            self._failed(f"{error}; the policies before stay in force")
            return
        if problem := self._problem():
            self._failed(problem)
        else:
            self.status.succeeded()

    async def _follow(self, by_name: RulesByName) -> None:
        """Have these rules in force, or those of the objects for which there is room."""
        rules = _joined(by_name)
        left: Mapping[str, CiliateError] = {}
        try:
            await self._accept(rules)
        except CiliateError as error:
            if rules == self._refused:
                return  # As before: what fits is in force.
            await self._check(())  # Else it is not the objects' fault.
            left = await self._surplus(by_name, error)
            await self._accept(
                _joined(_some(by_name, (name for name in by_name if name not in left)))
            )
        self._left_out = left
        self._refused, self._accepted = (rules, None) if left else (None, rules)

    async def _surplus(
        self, by_name: RulesByName, reason: CiliateError
    ) -> Mapping[str, CiliateError]:
        """Return the objects whose rules do not fit behind those before them, and why."""
        names = list(by_name)
        fit: dict[str, tuple[Rule, ...]] = {}
        left: dict[str, CiliateError] = {}
        while names and len(left) < _LEFT_OUT_MAX:
            more, end = 0, len(names)
            while more < end:  # The most that fit are found by halves.
                middle = (more + end + 1) // 2
                try:
                    await self._check(_joined(fit | _some(by_name, names[:middle])))
                    more = middle
                except CiliateError as error:
                    end, reason = middle - 1, error
            fit |= _some(by_name, names[:more])
            left |= dict.fromkeys(names[more : more + 1], reason)
            names = names[more + 1 :]
        return left | dict.fromkeys(names, reason)

    def _problem(self) -> str:
        """Return what is wrong with the objects, or with reading them."""
        error = self._table.last_error
        if isinstance(error, ForbiddenError):
            return (
                f"{error}: let the agents' role list and watch {MASQUERADE_POLICIES.plural} of"
                f" {MASQUERADE_POLICIES.group}; what is not read is not in force"
            )
        said = [
            f"{problem}; {self._meanwhile(name)}" for name, problem in self._book.problems.items()
        ]
        said += [
            f"MasqueradePolicy {name}: {error}; none of its rules is in force"
            for name, error in self._left_out.items()
        ]
        more = f"; and {len(said) - _NAMES_MAX} more" if len(said) > _NAMES_MAX else ""
        return "; ".join(said[:_NAMES_MAX]) + more

    def _meanwhile(self, name: str) -> str:
        if self._book.keeps_former(name):
            return "its former rules stay in force"
        return "none of its rules is in force"

    def _failed(self, message: str) -> None:
        if message != self.status.last_failure:  # One line per cause, not per look.
            _log.warning("masquerade policies: %s", message)
        self.status.failed(message)


def _some(by_name: RulesByName, names: Iterable[str]) -> dict[str, tuple[Rule, ...]]:
    return {name: by_name[name] for name in names}


def _joined(by_name: RulesByName) -> tuple[Rule, ...]:
    return tuple(rule for rules in by_name.values() for rule in rules)
