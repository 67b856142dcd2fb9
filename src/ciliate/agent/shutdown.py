"""Whether the agent stops for a restart, or for good: then the CNI configuration is removed.

A restart leaves the CNI configuration in place. It is removed when the DaemonSet that ran the
agent, or the Node, was deleted; it stays when the API server does not answer.
"""

import asyncio
import logging
from typing import Final

from ciliate.api.apps import DAEMON_SETS, DaemonSet
from ciliate.api.core import NODES
from ciliate.config.installation import Installation
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import KubeError, NotFoundError
from ciliate.kube.retrying import until_answered
from ciliate.reconcile.backoff import Backoff

_log = logging.getLogger(__name__)

#: The kubelet kills an agent that does not stop in time: the question must be shorter.
_ASK_S: Final = 2.0


async def has_daemon_set(client: ApiClient, names: Installation) -> bool:
    """Whether a DaemonSet runs the agents; asks until the API server says."""
    try:
        found = await until_answered(
            lambda: _daemon_set(client, names), _log.debug, Backoff(first_s=0.1)
        )
    except _NoDaemonSetError:
        return False
    return found.metadata.deletion_timestamp is None


class _NoDaemonSetError(Exception):
    """The API server says that there is none."""


async def _daemon_set(client: ApiClient, names: Installation) -> DaemonSet:
    try:
        return await client.get(DAEMON_SETS, names.agent_daemonset_name, namespace=names.namespace)
    except NotFoundError as error:
        raise _NoDaemonSetError from error


async def is_for_good(client: ApiClient, names: Installation, *, node: str) -> bool:
    """Whether the DaemonSet, which was there at start, or the Node has been deleted."""
    try:
        async with asyncio.timeout(_ASK_S):
            try:
                daemon_set = await client.get(
                    DAEMON_SETS, names.agent_daemonset_name, namespace=names.namespace
                )
                await client.get(NODES, node)
            except NotFoundError as error:
                _log.info("leaving for good: %s", error)
                return True
            return daemon_set.metadata.deletion_timestamp is not None
    except (TimeoutError, KubeError) as error:
        _log.info("not known whether this is for good, so it is not: %s", error)
        return False
