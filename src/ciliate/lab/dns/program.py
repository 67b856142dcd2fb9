"""The container `coredns`: the cluster's name server, fed by watches, asked on port 53.

    coredns [--domain cluster.local] [--range CIDR]...

A name of the domain, or of an address in a range, is answered here; every other one is asked of the
servers in /etc/resolv.conf. GET /health on port 8080 says that it lives, /ready on 8181 that it knows
the cluster, /metrics on 9153 what it has done. At SIGTERM it goes on for a while, as CoreDNS does by
`lameduck`: what still comes was sent before all clients knew.
"""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from ciliate.api.core import NAMESPACES
from ciliate.errors import CiliateError
from ciliate.kube.client import ApiClient
from ciliate.kube.informer import Informer
from ciliate.lab.dns.cluster_zone import ClusterZone, IPNetwork
from ciliate.lab.dns.counts import Counts
from ciliate.lab.dns.forwarder import Forwarder
from ciliate.lab.dns.manifests import HEALTH_PORT, METRICS_PORT, READY_PORT
from ciliate.lab.dns.name_server import NameServer
from ciliate.lab.dns.objects import ENDPOINT_SLICES, SERVICES
from ciliate.lab.dns.records import ClusterRecords
from ciliate.lab.dns.responder import Responder
from ciliate.lab.link_sockets import families
from ciliate.metrics.listeners import listener_families
from ciliate.metrics.server import Metrics
from ciliate.reconcile.http_endpoint import HttpEndpoint, Place
from ciliate.system.descriptors import raise_limit

#: How long it answers after SIGTERM, in seconds.
LAME_S: Final = 2.0

#: Servers that are asked, at most; what glibc reads of resolv.conf (resolv.conf(5), MAXNS).
_SERVERS_MAX: Final = 3

_RESOLV_CONF: Final = Path("/etc/resolv.conf")

_log = logging.getLogger(__name__)


def run(argv: list[str]) -> int:
    """Be the name server until SIGTERM; the exit code."""
    parser = argparse.ArgumentParser("coredns", description="A lab's name server.")
    parser.add_argument("--domain", default="cluster.local")
    parser.add_argument("--range", action="append", default=[], type=ip_network, dest="ranges")
    words = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    raise_limit()
    try:
        asyncio.run(_serve_until_signal(ClusterRecords(words.domain), words.ranges))
    except (CiliateError, OSError) as error:
        _log.error("coredns: %s", error)
        return 1
    return 0


async def _serve_until_signal(records: ClusterRecords, ranges: Sequence[IPNetwork]) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    async with ApiClient.in_cluster(user_agent="coredns") as client:
        serving = asyncio.create_task(_serve(client, records, ranges))
        leaving = asyncio.create_task(told.wait())
        await asyncio.wait((serving, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            await asyncio.wait((serving,), timeout=LAME_S)
        serving.cancel()
        leaving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


async def _serve(client: ApiClient, records: ClusterRecords, ranges: Sequence[IPNetwork]) -> None:
    """Watch, and answer, until cancelled."""
    counts = Counts()
    watches: tuple[Informer[Any], ...] = (
        Informer(client, SERVICES, on_change=records.service_changed),
        Informer(client, ENDPOINT_SLICES, on_change=records.slice_changed),
        Informer(client, NAMESPACES, on_change=records.namespace_changed),
    )
    async with asyncio.TaskGroup() as tasks, contextlib.AsyncExitStack() as stack:
        forwarder = Forwarder(name_servers(_RESOLV_CONF.read_text()), counts, tasks)
        responder = Responder(ClusterZone(records, ranges), counts, forwarder)
        server = NameServer(responder, tasks)
        stack.callback(server.end)
        for family in families():
            stack.enter_context(server.on(family))
        for watch in watches:
            tasks.create_task(watch.run(), name=watch.name)
        for endpoint in _endpoints(records, counts):
            tasks.create_task(endpoint.run())
        for watch in watches:
            await watch.synced()
        records.complete()
        _log.info("coredns: %s knows the cluster", records.origin)
        await asyncio.Event().wait()


def name_servers(resolv_conf: str) -> list[str]:
    """Return the servers that a resolv.conf names."""
    found = [line.split()[1:2] for line in resolv_conf.splitlines() if _names_server(line)]
    return [server for words in found for server in words][:_SERVERS_MAX]


def _names_server(line: str) -> bool:
    return line.split()[:1] == ["nameserver"]


def _endpoints(records: ClusterRecords, counts: Counts) -> Iterator[HttpEndpoint]:
    """Yield what is asked over HTTP."""
    metrics = Metrics(lambda: (*counts.families(), *listener_families()), process="coredns")

    async def health(_: web.Request) -> web.Response:
        return web.Response(text="OK")

    async def ready(_: web.Request) -> web.Response:
        if records.is_complete:
            return web.Response(text="OK")
        return web.Response(text="kubernetes", status=HTTPStatus.SERVICE_UNAVAILABLE)

    served = (
        ("health", HEALTH_PORT, health),
        ("ready", READY_PORT, ready),
        ("metrics", METRICS_PORT, metrics.text),
    )
    for name, port, answer in served:
        application = web.Application()
        application.router.add_get(f"/{name}", answer)
        yield HttpEndpoint(name, application, Place(name, f":{port}", [("", port)]))
