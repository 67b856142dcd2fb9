"""The operator's run: settings, definitions, lease, tables, features. Decides nothing.

Order matters. Definitions come before the lease, since a standby must be able to watch the kinds
the moment it takes over. Tables are complete before anything is concluded from them. On a signal
the tasks end first, then the lease is released, so that no task writes without it.
"""

import asyncio
import logging
import os
import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from ciliate.api.core import CONFIG_MAPS
from ciliate.api.definitions import Definition, custom_resource_definitions
from ciliate.cluster.context import ConfigSource, Context
from ciliate.cluster.tables import Tables
from ciliate.config.installation import Installation
from ciliate.config.keys import review
from ciliate.errors import SettingError
from ciliate.kube.client import ApiClient
from ciliate.kube.election import LeaderElector
from ciliate.kube.errors import NotFoundError
from ciliate.kube.retrying import until_answered
from ciliate.metrics.server import Metrics, metrics_endpoint
from ciliate.operator.definitions import install
from ciliate.operator.features import FEATURES, compose
from ciliate.operator.health import Health, HealthServer
from ciliate.operator.metrics import operator_families
from ciliate.operator.settings import OperatorSettings, parse_operator_settings
from ciliate.reconcile.backoff import Backoff

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Invocation:
    """What the command line says; the rest is in the ConfigMap."""

    kubeconfig: str
    installation: Installation
    health_socket: Path
    flags: Mapping[str, str]  # Keys of the ConfigMap given as flags: they win.


async def run_operator(invocation: Invocation) -> None:
    """Run until cancelled.

    Raises:
        LeadershipLostError: Another operator may lead now; start anew.
        CiliateError: A setting is wrong, or the API server refuses us for good.
    """
    identity = f"{os.uname().nodename}-{secrets.token_hex(5)}"
    health = Health(identity)
    metrics = Metrics(lambda: operator_families(health), process="cilium_operator")
    paths = {path: text for feature in FEATURES for path, text in feature.paths.items()}
    server = HealthServer(health, metrics, invocation.health_socket, paths=paths)
    await server.start()
    try:
        async with ApiClient.detect(invocation.kubeconfig, user_agent="cilium-operator") as client:
            await _run_with(client, invocation, health, metrics)
    finally:
        await server.stop()


async def _run_with(
    client: ApiClient, invocation: Invocation, health: Health, metrics: Metrics
) -> None:
    settings = await _prepare(client, invocation, custom_resource_definitions(), health)
    elector = LeaderElector(
        client,
        name=invocation.installation.operator_lease,
        namespace=invocation.installation.namespace,
        identity=health.identity,
    )
    health.elector = elector
    health.enters("standby")
    async with AsyncExitStack() as stack:
        if address := settings.metrics_address:
            served = metrics_endpoint(
                metrics, key="operator-prometheus-serve-addr", address=address
            )
            await stack.enter_async_context(served.serving())
        await elector.run(lambda: _lead(client, invocation, elector, health))


async def _prepare(
    client: ApiClient,
    invocation: Invocation,
    definitions: tuple[Definition, ...],
    health: Health,
) -> OperatorSettings:
    """Read the settings and install the definitions, once the API server lets us."""
    phase, pause = health.phase, Backoff(first_s=0.1)
    config = await until_answered(lambda: _config(client, invocation), health.waits, pause)
    settings = parse_operator_settings(config)
    pause.reset()
    await until_answered(lambda: install(client, definitions), health.waits, pause)
    health.enters(phase)
    if settings.debug:
        logging.getLogger("ciliate").setLevel(logging.DEBUG)
    return settings


async def _config(client: ApiClient, invocation: Invocation) -> Mapping[str, str]:
    names = invocation.installation
    name, namespace = names.config_map, names.namespace
    try:
        config_map = await client.get(CONFIG_MAPS, name, namespace=namespace)
    except NotFoundError as error:
        raise SettingError(
            key="config-map",
            value=f"{namespace}/{name}",
            problem="does not exist",
            remedy="install it, or name the one to use with --config-map and --k8s-namespace",
        ) from error
    for warning in review(config_map.data).warnings():
        _log.debug("%s", warning)
    return {**config_map.data, **invocation.flags}


async def _lead(
    client: ApiClient,
    invocation: Invocation,
    elector: LeaderElector,
    health: Health,
) -> None:
    """Do the work of the leader until cancelled.

    Raises:
        SettingError: What the settings say by now is wrong, as a new operator would find.
    """
    health.enters("listing")
    # Anew: a standby may have started long before they were changed.
    settings = await _prepare(client, invocation, (), health)
    names = invocation.installation
    tables = Tables(client, namespace=names.namespace, agent_labels=names.agent_pod_selector)
    source = ConfigSource(names.namespace, names.config_map, invocation.flags)
    context = Context(client, tables, source, may_act=lambda: elector.is_leader)
    features = compose(context, settings)
    health.tables = tables
    async with asyncio.TaskGroup() as tasks:
        tables.run(tasks)
        await tables.synced()
        health.enters("leading")
        _log.info("leading: every table is complete")
        health.features = features
        for feature in features:
            for reconciler in feature.reconcilers():
                tasks.create_task(
                    reconciler.run(), name=f"{feature.name}: {reconciler.status.name}"
                )
            for task in feature.tasks():
                tasks.create_task(task(), name=feature.name)
