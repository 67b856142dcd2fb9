"""Alarms of the port book as Events: of the pod that holds most, and of the Node.

Of the Node as well, because every pod of it suffers, and the one that holds most may go.
"""

import logging
from collections.abc import Iterable, Iterator

from ciliate.api.core import NODES, PODS, ObjectReference
from ciliate.kube.events import EventRecorder, Severity
from ciliate.masquerade.ports.alarms import Alarm, FillAlarms
from ciliate.masquerade.ports.book import OwnerName, RemotePorts, largest
from ciliate.masquerade.ports.owners import Owners
from ciliate.net.address import address_text
from ciliate.node.context import Context

_log = logging.getLogger(__name__)

_REASON = "MasqueradePortsLow"


class AlarmEvents:
    """Raises what each round gives rise to; one task executes `run`."""

    def __init__(self, context: Context, owners: Owners) -> None:
        self._context = context
        self._owners = owners
        self._alarms = FillAlarms()
        self._events = EventRecorder(
            context.client, component="cilium-agent", host=context.own.name
        )

    async def run(self) -> None:
        """Write what was raised, until cancelled."""
        await self._events.run()

    def look(self, pages: Iterable[RemotePorts], time_s: float) -> None:
        """Raise the alarms that these pages, all that there are, give rise to."""
        for alarm in self._alarms.look(pages, time_s):
            most = largest(alarm.page.holders, self._owners.name, 1)
            text = alarm_text(alarm, most)
            _log.warning("%s", text)
            for regarding in self._about(most):
                self._events.record(
                    regarding, severity=Severity.WARNING, reason=_REASON, message=text
                )

    def _about(self, most: list[tuple[OwnerName, int]]) -> Iterator[ObjectReference]:
        own = self._context.own
        yield ObjectReference(kind=NODES.kind, name=own.name, uid=own.uid)
        for (namespace, pod), _ in most:
            endpoint = self._context.endpoints.of_pod((namespace, pod))
            if endpoint is not None:
                yield ObjectReference(
                    kind=PODS.kind, namespace=namespace, name=pod, uid=endpoint.pod_uid
                )


def alarm_text(alarm: Alarm, most: list[tuple[OwnerName, int]]) -> str:
    """Return what is told: which destination, how full, by whom, until when, and what to do."""
    page = alarm.page
    holders = "".join(f", {ports} of them by {owner}" for owner, ports in most)
    end = page.seconds_to_exhaustion
    when = f", and all in {end:.0f} s if that goes on" if end else ""
    return (
        f"{page.used} of the {page.ports} ports of {address_text(page.remote.address)} toward"
        f" {page.remote} are in use ({page.fill:.0%}){holders}{when}: reuse connections, spread"
        " them over more addresses or ports of the destination, or narrow node-port-range;"
        " `ciliate masquerade ports` shows them"
    )
