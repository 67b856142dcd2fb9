"""Reading the objects that `ciliate status` concludes from, once or until all is well."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Final, TypeVar

from ciliate.api.apps import DAEMON_SETS, DEPLOYMENTS
from ciliate.api.cilium_endpoint import CILIUM_ENDPOINTS
from ciliate.api.cilium_node import CILIUM_NODES
from ciliate.api.coordination import LEASES, Lease
from ciliate.api.core import PODS
from ciliate.api.metadata import KubeObject
from ciliate.api.pod_report import POD_REPORTS
from ciliate.api.resource import Resource
from ciliate.cli.cluster_status import ClusterStatus, Inventory, summarize
from ciliate.console.installation import installation
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ForbiddenError, NotFoundError, UnavailableError

T = TypeVar("T", bound=KubeObject)

#: Between two observations.
_LOOK_S: Final = 1.0


async def observe(client: ApiClient, *, wait_s: float) -> ClusterStatus:
    """Return the status; with `wait_s` the first that shows no error, else the last in that time.

    Closes the client.

    Raises:
        KubeError: The API server refuses, or does not answer and has not within `wait_s`.
    """
    deadline = time.monotonic() + wait_s
    async with client:
        while True:
            over = time.monotonic() >= deadline
            try:
                found = summarize(await _read(client))
                if over or not found.errors:
                    return found
            except UnavailableError:
                if over:
                    raise
            await asyncio.sleep(_LOOK_S)


async def _read(client: ApiClient) -> Inventory:
    names = installation()
    return Inventory(
        installation=names,
        daemon_sets=(await client.list(DAEMON_SETS, namespace=names.namespace)).items,
        deployments=(await client.list(DEPLOYMENTS, namespace=names.namespace)).items,
        pods=(await client.list(PODS)).items,
        reports=(await client.list(POD_REPORTS, namespace=names.namespace)).items,
        endpoints=await _list_if_defined(client, CILIUM_ENDPOINTS),
        nodes=await _list_if_defined(client, CILIUM_NODES),
        now=datetime.now(UTC),
        operator_lease=await _operator_lease(client),
    )


async def _operator_lease(client: ApiClient) -> Lease | None:
    """Return the Lease of the leading operator; None where there is none, or it may not be read."""
    names = installation()
    try:
        return await client.get(LEASES, names.operator_lease, namespace=names.namespace)
    except (NotFoundError, ForbiddenError):
        return None


async def _list_if_defined(client: ApiClient, kind: Resource[T]) -> list[T]:
    """Return all objects of a CRD's kind; none where the operator has not made the CRD yet."""
    try:
        return list((await client.list(kind)).items)
    except NotFoundError:
        return []
