"""GET /healthz and /livez over TCP, as kube-proxy answers at its port 10256.

Cloud load balancers ask there whether a node may get traffic at all: for Services whose
`externalTrafficPolicy` is Cluster it is the only question. A node that is about to go is alive and
not healthy, so that it gets no new connections and keeps those it has.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from ciliate.api.core import Node
from ciliate.reconcile.http_endpoint import HttpEndpoint, Place
from ciliate.reconcile.status import RunStatus
from ciliate.services.health_answers import is_eligible, proxy_answer

_KEY: Final = "kube-proxy-replacement-healthz-bind-address"


def proxy_health_endpoint(
    address: tuple[str, int],
    *,
    is_healthy: Callable[[], bool],
    sync: RunStatus,
    own_node: Callable[[], Node | None],
) -> HttpEndpoint:
    """Return the server at `address`, host and port.

    `sync` is the status of what writes Services to the maps: its last success is the last update.
    """

    def answer(*, with_node: bool) -> web.Response:
        now = datetime.now(UTC)
        found = proxy_answer(
            now,
            is_healthy=is_healthy(),
            last_updated=sync.last_success_at or now,
            is_eligible=is_eligible(own_node()) if with_node else None,
        )
        return web.Response(status=found.status, body=found.body, headers=found.headers)

    async def healthz(_request: web.Request) -> web.Response:
        return answer(with_node=True)

    async def livez(_request: web.Request) -> web.Response:
        return answer(with_node=False)

    application = web.Application()
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/livez", livez)
    host, port = address
    text = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return HttpEndpoint("proxy-health", application, Place(_KEY, text, (address,)))
