"""Layer 2 announcements as the agent knows them. What they take is imported where they are on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from ciliate.datapath.datapath import Datapath
from ciliate.errors import CiliateError
from ciliate.l2_announcements.report import families
from ciliate.metrics.family import Family
from ciliate.node.context import Context
from ciliate.node.feature import Answer, AnyReconciler, Feature, Task
from ciliate.reconcile.status import RunStatus

if TYPE_CHECKING:
    from ciliate.l2_announcements.agent.announcing import Announcing


class L2AnnouncementsOffError(CiliateError):
    """The setting is off."""

    def __init__(self) -> None:
        super().__init__(
            "layer 2 announcements are off: set enable-l2-announcements (Helm:"
            " l2announcements.enabled) to true"
        )


class L2AnnouncementsFeature(Feature):
    """The addresses of Services that this node answers for on layer 2, if that is on."""

    name: ClassVar[str] = "l2-announcements"

    def __init__(self, context: Context) -> None:
        self._announcing = _announcing(context) if context.settings.l2.enabled else None

    def reconcilers(self, datapath: Datapath) -> Sequence[AnyReconciler]:
        """Return the reconciler of what is answered."""
        return (self._announcing.open(datapath),) if self._announcing is not None else ()

    def tasks(self) -> Sequence[Task]:
        """Return the task that announces."""
        return (self._announcing.run,) if self._announcing is not None else ()

    def statuses(self) -> Sequence[RunStatus]:
        """Return how it goes."""
        return self._announcing.statuses if self._announcing is not None else ()

    def families(self) -> Iterable[Family]:
        """Return how much is announced."""
        return families(self._announcing.announced()) if self._announcing is not None else ()

    def answers(self) -> Mapping[str, Answer]:
        """Return who answers `statedb l2-announce`."""
        found = self._announcing
        return {"l2-announce": found.announced if found is not None else _refuse}


def _announcing(context: Context) -> "Announcing":
    from ciliate.l2_announcements.agent.announcing import Announcing  # noqa: PLC0415 - if on.

    return Announcing(context)


def _refuse() -> object:
    raise L2AnnouncementsOffError
