"""Everything the agent runs once it has read its Node: set up in order, then kept up by tasks.

The order matters. Addresses of living pods are reserved before any is allocated; maps are filled
before programs that read them are attached; the CNI socket opens after the queued DELs were done;
the CNI configuration, by which the runtime sees the node ready, is written last.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ciliate.agent.features import compose
from ciliate.agent.health import health_endpoint
from ciliate.config.service_settings import NoBackendResponse, ServiceSettings
from ciliate.datapath.datapath import Datapath
from ciliate.datapath.settings import DatapathSettings
from ciliate.endpoint.runtime_config import RuntimeConfig
from ciliate.metrics.family import Family
from ciliate.metrics.listeners import listener_families
from ciliate.metrics.server import Metrics, metrics_endpoint
from ciliate.netlink.namespace import namespace_cookie
from ciliate.node.context import Context
from ciliate.node.feature import Feature
from ciliate.node.progress import Progress
from ciliate.reconcile.status import RunStatus
from ciliate.services.capacity import map_entries
from ciliate.system.memory import give_back


@dataclass(frozen=True, slots=True)
class RunningNode:
    """The features at work; `statuses` are of everything that runs."""

    context: Context
    features: tuple[Feature, ...]
    statuses: tuple[RunStatus, ...]
    metrics: Metrics

    @classmethod
    async def set_up(
        cls, context: Context, runtime_config: RuntimeConfig, progress: Progress
    ) -> "RunningNode":
        """Take over what exists, bring the kernel to the desired state, start the tasks."""
        health = _serve_health(context, progress)
        await context.cluster.listed(progress)
        features = compose(context, runtime_config)
        for feature in features:
            await feature.load()
        async with asyncio.TaskGroup() as loading:  # While features wait for the API server.
            opened = loading.create_task(asyncio.to_thread(open_datapath, context))
            for feature in features:
                await feature.start(progress)
        datapath = opened.result()
        await context.links.require_traffic_control(datapath.programs.from_pod_fd)
        await context.devices.refresh()
        reconcilers = [each for feature in features for each in feature.reconcilers(datapath)]
        for reconciler in reconcilers:
            await reconciler.run_once()  # What fails is tried again by its task.
        if datapath.changed:
            for feature in features:
                await feature.programs_changed(datapath)
        await asyncio.to_thread(datapath.settle)
        await asyncio.to_thread(give_back)
        tasks = [task for feature in features for task in feature.tasks()]
        for run in (*(reconciler.run for reconciler in reconcilers), *tasks):
            context.tasks.create_task(run())
        metrics, served = _serve_metrics(context, features)
        statuses = (
            *(reconciler.status for reconciler in reconcilers),
            *(status for feature in features for status in feature.statuses()),
            *served,
            *health,
        )
        return cls(context, features, statuses, metrics)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Have every feature serve the requests of others inside the block."""
        async with AsyncExitStack() as stack:
            for feature in self.features:
                await stack.enter_async_context(feature.serve())
            yield


def _serve_metrics(
    context: Context, features: tuple[Feature, ...]
) -> tuple[Metrics, tuple[RunStatus, ...]]:
    """Return the metrics; serve them over TCP where the settings name an address."""

    def families() -> Iterable[Family]:
        return (
            *(family for feature in features for family in feature.families()),
            *listener_families(),
        )

    metrics = Metrics(families, process="cilium")
    address = context.settings.metrics_address
    if not address:
        return metrics, ()
    server = metrics_endpoint(metrics, key="prometheus-serve-addr", address=address)
    context.tasks.create_task(server.run())
    return metrics, (server.status,)


def _serve_health(context: Context, progress: Progress) -> tuple[RunStatus, ...]:
    """Answer probes over TCP from now on, unless the settings say otherwise."""
    settings = context.settings
    if not settings.health_port:
        return ()
    endpoint = health_endpoint(
        progress, context.cluster, port=settings.health_port, versions=settings.ipam.versions
    )
    context.tasks.create_task(endpoint.run())
    return (endpoint.status,)


def open_datapath(context: Context) -> Datapath:
    """Load the programs for the settings, or take over those that run already; blocking."""
    settings, by_programs = context.settings, context.stack.programs_masquerade
    kernel, routing, masquerade = settings.kernel, settings.routing, settings.masquerade
    return Datapath.open(
        bpf_root=Path(kernel.bpf_root),
        state_dir=context.paths.state,
        settings=DatapathSettings(
            native_routing_v4=routing.native_v4,
            native_routing_v6=routing.native_v6,
            tunnel_port=routing.tunnel.port if routing.tunnel is not None else 0,
            masquerade_v4=masquerade.ipv4 and by_programs,
            masquerade_v6=masquerade.ipv6 and by_programs,
            verify_source=kernel.verify_source,
            snat_port_min=masquerade.port_min,
            snat_port_max=masquerade.port_max,
            service_port_min=settings.service_port_min,
            accounting=kernel.accounting,
            sctp=masquerade.sctp,
            connections_max=kernel.connections_max,
            lifetimes=kernel.lifetimes,
            **of_services(settings.services),
        ),
    )


def of_services(settings: ServiceSettings) -> Mapping[str, Any]:
    """Return what of the datapath's settings is of Services."""
    access = settings.access
    return {
        "services_by_packet": settings.replaces_kube_proxy,
        "refuses_without_backend": access.no_backend is NoBackendResponse.REJECT,
        "service_loopback_v4": access.loopback_v4,
        "service_loopback_v6": access.loopback_v6,
        "node_port_min": settings.node_ports.first,
        "node_port_max": settings.node_ports.last,
        "node_netns_cookie": namespace_cookie(),
        "sockets_of_node_only": settings.sockets.host_only,
        "remote_node_ports_outside": settings.node_ports.remote_is_outside,
        "external_ips_for_all": access.external_ips_for_pods,
        "maglev_cells": settings.selection.maglev_table_size,
        "service_entries": map_entries(settings),
    }
