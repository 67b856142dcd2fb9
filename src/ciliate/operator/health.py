"""The operator's state for probes and people: HTTP on a Unix socket, for root alone.

`GET /healthz` answers 200 while the process works, leader or not; `GET /readyz` answers 503 until
the definitions are installed and the operator either waits for the lease or leads with complete
tables. Both bodies are the same JSON. What features of a leader answer is under
paths of their own, 404 from one that has nothing to say; `GET /metrics` is for Prometheus.
"""

import logging
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ciliate.api.metadata import format_time
from ciliate.cluster.feature import Feature
from ciliate.cluster.tables import Tables
from ciliate.errors import CiliateError
from ciliate.kube.election import LeaderElector

if TYPE_CHECKING:
    from aiohttp import web

    from ciliate.metrics.server import Metrics
    from ciliate.system.http_server import HttpServer
from ciliate.system.admission import Bounds
from ciliate.system.descriptors import share
from ciliate.system.unix_socket import is_served, listen_unix

#: Probes by exec, people and scrapes: each asks once. Clients of a Unix socket are one peer.
_CONNECTIONS_MAX: Final = 64

_log = logging.getLogger(__name__)


class HealthSocketError(CiliateError):
    """The socket cannot be made."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(f"health socket {path}: {problem}")


@dataclass(slots=True)
class Health:
    """What the operator is doing; filled by `process` as it gets there."""

    identity: str
    phase: str = "starting"
    since: datetime = field(default_factory=lambda: datetime.now(UTC))  # Of the phase.
    elector: LeaderElector | None = None
    tables: Tables | None = None
    features: Sequence[Feature] = ()  # Of a leader with complete tables.

    @property
    def ready(self) -> bool:
        """Whether the operator does, or could take over, its work."""
        if self.elector is None:
            return False
        if not self.elector.is_leader:
            return True
        return self.tables is not None and all(i.has_synced for i in self.tables.all)

    def enters(self, phase: str) -> None:
        """Note what the operator does from now on."""
        if phase != self.phase:
            self.phase, self.since = phase, datetime.now(UTC)

    def waits(self, what: str) -> None:
        """Note and log what a request waits for; the same is logged once."""
        if what != self.phase:
            _log.warning("%s", what)
        self.enters(what)

    def document(self) -> dict[str, Any]:
        """Return the state as JSON's kinds of values."""
        leads = self.elector is not None and self.elector.is_leader
        refused = self.elector.last_error if self.elector else None
        return {
            "state": "ok" if self.ready else self.phase,
            "since": format_time(self.since),
            "identity": self.identity,
            "leader": leads,
            "holder": self.elector.holder if self.elector else "",
            "lease_error": str(refused or ""),
            "watches": [
                {
                    "name": informer.name,
                    "synced": informer.has_synced,
                    "connected": informer.connected,
                    "objects": len(informer.objects),
                    "error": str(informer.last_error or ""),
                }
                for informer in (self.tables.all if self.tables and leads else ())
            ],
        }


class HealthServer:
    """Serves a `Health` between `start` and `stop`.

    `paths` are those of features, each with the message of its 404 while no feature answers.
    """

    def __init__(
        self, health: Health, metrics: "Metrics", path: Path, *, paths: Mapping[str, str]
    ) -> None:
        self._health = health
        self._metrics = metrics
        self._paths = paths
        self._path = path
        self._server: HttpServer | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            HealthSocketError: Another operator listens there, or the path cannot be used.
        """
        from aiohttp import web  # noqa: PLC0415 - only the process that serves pays for it

        from ciliate.system.http_server import HttpServer  # noqa: PLC0415 - see above

        listener = _listen(self._path)
        application = web.Application()
        application.router.add_get("/healthz", self._answer_health)
        application.router.add_get("/readyz", self._answer_ready)
        for path in self._paths:
            application.router.add_get(path, self._answer_feature)
        application.router.add_get("/metrics", self._metrics.text)
        runner = web.AppRunner(application, access_log=None)
        server = HttpServer("operator-api", runner, Bounds.of_one_peer(share(_CONNECTIONS_MAX)))
        await server.start(listener)
        self._server = server

    async def stop(self) -> None:
        """Stop listening and remove the socket."""
        if self._server is not None:
            await self._server.stop()
            self._path.unlink(missing_ok=True)

    async def _answer_health(self, _request: "web.Request") -> "web.Response":
        return _json(self._health.document(), status=200)

    async def _answer_ready(self, _request: "web.Request") -> "web.Response":
        return _json(self._health.document(), status=200 if self._health.ready else 503)

    async def _answer_feature(self, request: "web.Request") -> "web.Response":
        for feature in self._health.features:
            answer = feature.answers().get(request.path)
            if answer is not None:
                return _json(answer(), status=200)
        return _json({"state": self._paths[request.path]}, status=404)


def _json(document: object, *, status: int) -> "web.Response":
    from aiohttp import web  # noqa: PLC0415 - loaded already, by `start`

    body = msgspec.json.encode(document)
    return web.Response(body=body, status=status, content_type="application/json")


def _listen(path: Path) -> socket.socket:
    try:
        if is_served(path):
            raise HealthSocketError(path, "another operator on this machine listens there")
        return listen_unix(path)
    except OSError as error:
        raise HealthSocketError(path, str(error)) from error
