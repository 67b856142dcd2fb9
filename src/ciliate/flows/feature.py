"""Flows on a running node: events for whoever listens."""

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

from ciliate import CILIUM_API_VERSION
from ciliate.api.monitor import SOCKET_NAME
from ciliate.config.hubble_export_settings import AGENT_LOG, HubbleExportSettings
from ciliate.config.hubble_metrics_settings import HubbleMetricsSettings
from ciliate.config.hubble_server_settings import HubbleListenSettings
from ciliate.datapath.datapath import Datapath
from ciliate.flows.feed import Begin, FlowLogs, ListenBegin, MetricsBegin, TlsBegin
from ciliate.flows.monitor import MonitorServer
from ciliate.flows.name_source import NameSource
from ciliate.flows.peer_source import PeerSource
from ciliate.flows.server_process import FlowServerProcess
from ciliate.flows.service_source import ServiceSource
from ciliate.flows.status import hubble_status
from ciliate.flows.watch import EventWatch
from ciliate.metrics.family import Family, FamilyKind
from ciliate.node.context import Context, Paths
from ciliate.node.feature import AnyReconciler, Feature, Task


class FlowsFeature(Feature):
    """What is told of packets and sockets."""

    name: ClassVar[str] = "flows"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._began_ns = time.time_ns()
        self._watch = EventWatch(context.settings.flows)
        self._names = NameSource(context)
        self._services = ServiceSource(context)
        self._peers = PeerSource(context)
        sources = (self._names, self._services, self._peers)
        self._server = FlowServerProcess(sources, self._begin, context.forks)

    def reconcilers(self, datapath: Datapath) -> Sequence[AnyReconciler]:
        """Take the maps of events; nothing of them is reconciled."""
        self._watch.use(datapath)
        return ()

    def tasks(self) -> Sequence[Task]:
        """Return the tasks that read the ring, and keep the flow server at work."""
        if not self._context.settings.flows.hubble.enabled:
            return (self._watch.run,)
        self._names.listen()
        self._services.listen()
        self._peers.listen()
        return (self._watch.run, self._server.run)

    def _begin(self) -> Begin:
        """What the flow server serves."""
        context, hubble = self._context, self._context.settings.flows.hubble
        return Begin(
            node=context.own.name,
            node_labels=tuple(
                f"{key}={value}" for key, value in sorted(context.own.labels.items())
            ),
            cluster=context.settings.cluster.name,
            version=CILIUM_API_VERSION,
            listen=str(context.paths.placed(hubble.socket_path)),
            monitor=str(context.paths.run / SOCKET_NAME),
            capacity=hubble.capacity,
            agent_began_ns=self._began_ns,
            cgroup_root=context.settings.services.sockets.cgroup_root,
            metrics=metrics_of(hubble.metrics),
            logs=logs_of(hubble.export, context.paths),
            listener=listener_of(hubble.listen),
        )

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Serve listeners inside the block; the programs tell nothing any more behind it."""
        path = self._context.paths.run / SOCKET_NAME
        settings = self._context.settings.flows
        server = MonitorServer(self._watch, settings, node=self._context.own.name)
        server.listen(path)
        try:
            yield
        finally:
            server.end(path)
            self._watch.close()

    def status(self) -> Mapping[str, object]:
        """Return how many flows are kept."""
        hubble = self._context.settings.flows.hubble
        report = self._server.report
        return {"hubble": hubble_status(report, enabled=hubble.enabled, capacity=hubble.capacity)}

    def families(self) -> Iterable[Family]:
        """Return how many events there were, and how many were lost."""
        counts = self._watch.counts
        for name, meaning, value in (
            ("ciliate_events_total", "Events that programs told.", counts.told),
            ("ciliate_events_lost_total", "Events that found no room in the ring.", counts.lost),
            (
                "ciliate_flow_server_restarts_total",
                "How often the flow server was started again.",
                self._server.restarts,
            ),
        ):
            yield Family(name, meaning, (), [((), value)], FamilyKind.COUNTER)


def listener_of(settings: HubbleListenSettings) -> ListenBegin | None:
    """Return where relays ask, as the flow server is told; None: nowhere."""
    if not settings.address:
        return None
    tls = TlsBegin(
        certificate=settings.cert_file,
        key=settings.key_file,
        client_authorities=settings.client_ca_files,
    )
    return ListenBegin(address=settings.address, tls=tls if settings.tls else None)


def logs_of(settings: HubbleExportSettings, paths: Paths) -> FlowLogs | None:
    """Return which flow logs are written, as the flow server is told; None: none."""
    if not settings.path and not settings.logs_path:
        return None

    def placed(path: str) -> str:
        return str(paths.placed(path)) if path not in ("", AGENT_LOG) else path

    return FlowLogs(
        path=placed(settings.path),
        size_mb=settings.size_mb,
        backups=settings.backups,
        compress=settings.compress,
        allowlist=settings.allowlist,
        denylist=settings.denylist,
        fieldmask=settings.fieldmask,
        list_path=placed(settings.logs_path),
        run=str(paths.run),
    )


def metrics_of(settings: HubbleMetricsSettings) -> MetricsBegin | None:
    """Return what is counted out of flows, as the flow server is told; None: nothing."""
    if not settings.metrics:
        return None
    return MetricsBegin(
        address=settings.address, open_metrics=settings.open_metrics, metrics=settings.metrics
    )
