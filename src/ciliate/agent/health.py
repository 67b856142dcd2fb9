"""GET /healthz over TCP on loopback: whether the agent works, for a kubelet's probes.

200 while it does, else 500 and what is wrong: the agent starts, or a watch of the API server does
not work. As of Cilium's, the header `require-k8s-connectivity: false` leaves the API server out: a
liveness probe must not kill agents because it is away. The answer is always what `brief: true` asks
for.
"""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from ciliate.node.cluster import Cluster
from ciliate.node.progress import Progress
from ciliate.reconcile.http_endpoint import HttpEndpoint, Place

_KEY: Final = "agent-health-port"
_LOOPBACK: Final = {4: "127.0.0.1", 6: "::1"}


def health_endpoint(
    progress: Progress, cluster: Cluster, *, port: int, versions: Sequence[int]
) -> HttpEndpoint:
    """Return the server, on loopback addresses of the IP `versions`."""

    async def answer(request: web.Request) -> web.Response:
        with_kubernetes = request.headers.get("require-k8s-connectivity", "").lower() != "false"
        problem = progress.text or (cluster.problem if with_kubernetes else "")
        return web.Response(status=500 if problem else 200, text=f"{problem or 'ok'}\n")

    application = web.Application()
    application.router.add_get("/healthz", answer)
    addresses = tuple((_LOOPBACK[version], port) for version in versions)
    return HttpEndpoint("health", application, Place(_KEY, str(port), addresses))
