"""BGP as the agent knows it. What it takes is imported where it is on: else it costs a node nothing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from ciliate.errors import CiliateError
from ciliate.metrics.family import Family
from ciliate.node.context import Context
from ciliate.node.feature import Answer, Feature, Task
from ciliate.reconcile.status import RunStatus

if TYPE_CHECKING:
    from ciliate.bgp.agent.sessions import Sessions


class BGPOffError(CiliateError):
    """The setting is off."""

    def __init__(self) -> None:
        super().__init__(
            "BGP is off: set enable-bgp-control-plane (Helm: bgpControlPlane.enabled) to true"
        )


class BGPFeature(Feature):
    """This node's sessions with routers, if BGP is on."""

    name: ClassVar[str] = "bgp"

    def __init__(self, context: Context) -> None:
        self._sessions = _sessions(context) if context.settings.bgp.enabled else None

    def tasks(self) -> Sequence[Task]:
        """Return the task that keeps the sessions."""
        return (self._sessions.run,) if self._sessions is not None else ()

    def statuses(self) -> Sequence[RunStatus]:
        """Return how it goes."""
        return self._sessions.statuses if self._sessions is not None else ()

    def families(self) -> Iterable[Family]:
        """Return the numbers of sessions and routes."""
        return self._sessions.families() if self._sessions is not None else ()

    def answers(self) -> Mapping[str, Answer]:
        """Return who answers `bgp peers` and `bgp routes`."""
        found = self._sessions
        if found is None:
            return {"bgp/peers": _refuse, "bgp/routes": _refuse}
        return {"bgp/peers": found.peers, "bgp/routes": found.routes}


def _sessions(context: Context) -> "Sessions":
    from ciliate.bgp.agent.sessions import Sessions  # noqa: PLC0415 - 0.9 MiB.

    return Sessions(context)


def _refuse() -> object:
    raise BGPOffError
