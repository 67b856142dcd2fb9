"""Garbage collection of API objects: what the collections of all kinds have in common.

Each feature says which objects are garbage. Tables may be stale, so nothing is deleted at first
sight, and each deletion is conditional on the uid and resourceVersion that were decided upon: an
object that was changed or created anew meanwhile stays. A failure ends the round; the next one
decides again.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from ciliate.api.metadata import KubeObject
from ciliate.api.resource import Resource
from ciliate.cluster.context import Context
from ciliate.cluster.feature import Task
from ciliate.cluster.tables import Tables
from ciliate.kube.errors import ConflictError, KubeError, NotFoundError

T = TypeVar("T", bound=KubeObject)

#: Writes of one round (Cilium's identity-gc-rate-limit); the rest waits for the next.
WRITES_MAX: Final = 2500

_log = logging.getLogger(__name__)


def collect_every(
    interval_s: float, kind: str, collect: Callable[[], Awaitable[None]], tables: Tables
) -> Sequence[Task]:
    """Return the task that calls `collect` every `interval_s` seconds; none when that is 0.

    A round is left out while a watch is interrupted: absence from a table means nothing then.
    """

    async def run() -> None:
        while True:
            if tables.current:
                try:
                    await collect()
                except KubeError as error:
                    _log.warning("garbage collection of %s: %s; the rest waits", kind, error)
            else:
                _log.warning("garbage collection of %s: left out, a watch is interrupted", kind)
            # A little less at random, so that the collections do not run in step.
            await asyncio.sleep(interval_s * random.uniform(0.9, 1.0))

    return (run,) if interval_s > 0 else ()


async def delete_unchanged(
    context: Context, resource: Resource[T], item: T, *, reason: str
) -> None:
    """Delete `item`, if it is still as it was when `reason` was found.

    Raises:
        KubeError: The API server refuses, or is away.
    """
    meta = item.metadata
    if not context.may_act():
        return
    label = "/".join(filter(None, (meta.namespace, meta.name)))
    try:
        await context.client.delete(
            resource,
            meta.name,
            namespace=meta.namespace,
            uid=meta.uid,
            resource_version=meta.resource_version,
        )
    except NotFoundError:
        return
    except ConflictError:
        _log.info("%s %s kept: changed meanwhile", resource.kind, label)
    else:
        _log.info("%s %s deleted: %s", resource.kind, label, reason)
