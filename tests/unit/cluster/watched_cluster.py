"""The context of an operator's feature, with tables that follow the embedded API server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.unit.kube.conftest import eventually

from ciliate.api.metadata import KubeObject
from ciliate.cluster.context import ConfigSource, Context
from ciliate.cluster.tables import Tables
from ciliate.kube.client import ApiClient
from ciliate.kube.document import key_of
from ciliate.kube.informer import Informer


@dataclass
class WatchedCluster:
    """The context of a leader whose clock and leadership the test moves."""

    client: ApiClient
    now_s: float = 0.0
    may_act: bool = True
    tables: Tables = field(init=False)
    context: Context = field(init=False)

    def __post_init__(self) -> None:
        self.tables = Tables(self.client, namespace="kube-system", agent_labels="k8s-app=cilium")
        source = ConfigSource("kube-system", "cilium-config", {})
        self.context = Context(self.client, self.tables, source, may_act=lambda: self.may_act)

    def clock(self) -> float:
        return self.now_s

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Keep the tables up to date, from complete ones on."""

        async def run() -> None:
            async with asyncio.TaskGroup() as tasks:
                self.tables.run(tasks)

        task = asyncio.ensure_future(run())
        try:
            await self.tables.synced()
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


async def until_seen(table: Informer[Any], item: KubeObject) -> None:
    """Wait until the table has this version of the object."""

    def seen() -> bool:
        known = table.objects.get(key_of(item))
        return known is not None and (
            known.metadata.resource_version == item.metadata.resource_version
        )

    await eventually(seen)
