"""Problems of Services in the log, and as Events of the Services: once when they come."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

from ciliate.api.core import PODS, ObjectReference
from ciliate.api.service import SERVICES
from ciliate.kube.events import EventRecorder, Severity
from ciliate.node.context import Context
from ciliate.services.model import ServiceKey
from ciliate.services.problem_changes import Problem, ProblemChanges, tells_of

_log = logging.getLogger(__name__)

_REASON: Final = "ServiceNotServed"

#: How long changes are gathered: a Service and its slices come one by one.
_GATHER_S: Final = 1.0


class ProblemEvents:
    """Tells what `problems` gives rise to; one task executes `run`, another one `events.run`."""

    def __init__(
        self,
        context: Context,
        problems: Callable[[], Iterable[Problem]],
        uid_of: Callable[[ServiceKey], str],
    ) -> None:
        """`uid_of` returns the uid of a Service's object."""
        self._context = context
        self._problems = problems
        self._uid_of = uid_of
        self._changes = ProblemChanges()
        self._woken = asyncio.Event()
        self.events = EventRecorder(
            context.client, component="cilium-agent", host=context.own.name
        )

    def wake(self) -> None:
        """Look soon: something of Services has changed."""
        self._woken.set()

    async def run(self) -> None:
        """Tell what is new, until cancelled."""
        while True:
            await self._woken.wait()
            await asyncio.sleep(_GATHER_S)
            self._woken.clear()
            self.look()

    def look(self) -> None:
        """Tell what is new now."""
        found = self._changes.look(self._problems())
        nodes = [node.name for node in self._context.cluster.known_nodes]
        for key, text in found.told:
            _log.warning("%s", text)
            if tells_of(key, nodes, self._context.own.name):
                self.events.record(
                    self._regarding(key), severity=Severity.WARNING, reason=_REASON, message=text
                )
        if found.untold:
            _log.warning("%d more problems of Services (see dbg status --verbose)", found.untold)
        if found.solved:
            _log.info("%d problems of Services are solved", found.solved)

    def _regarding(self, key: ServiceKey) -> ObjectReference:
        pod, is_host_port, rest = key.name.partition(":")
        if is_host_port:
            uid = rest.rpartition(":")[2]
            return ObjectReference(kind=PODS.kind, namespace=key.namespace, name=pod, uid=uid)
        return ObjectReference(
            kind=SERVICES.kind, namespace=key.namespace, name=key.name, uid=self._uid_of(key)
        )
