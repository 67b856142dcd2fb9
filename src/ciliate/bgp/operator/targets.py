"""The CiliumBGPNodeConfigs, and the conditions of what they are made of, as reconcilers keep them."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import msgspec

from ciliate.api.bgp import (
    CLUSTER_CONFIGS,
    NODE_CONFIGS,
    CiliumBGPNodeConfig,
    owner_of,
)
from ciliate.api.metadata import ObjectMeta, OwnerReference
from ciliate.bgp.operator.plan import NodeConfig
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import AlreadyExistsError, ConflictError, NotFoundError
from ciliate.kube.informer import Informer
from ciliate.kube.last_writer import find_last_writer
from ciliate.reconcile.target import Failures, one_by_one


class NodeConfigTarget:
    """One object for each node that is selected; those that nobody of ours owns are left alone."""

    name: Final = "bgp node configurations"

    def __init__(
        self,
        client: ApiClient,
        table: Informer[CiliumBGPNodeConfig],
        desired: Callable[[], Mapping[str, NodeConfig] | None],
        *,
        may_act: Callable[[], bool],
    ) -> None:
        self._client = client
        self._table = table
        self._desired = desired
        self._may_act = may_act

    def desired(self) -> Mapping[str, NodeConfig] | None:
        """Return the objects that should be there; None while that is not known, or not ours."""
        return self._desired() if self._may_act() and self._table.has_synced else None

    async def observe(self) -> Mapping[str, NodeConfig]:
        """Return the objects that are of a cluster configuration."""
        found = {}
        for each in self._table.objects.values():
            owner = owner_of(each.metadata)
            if owner is not None:
                found[each.metadata.name] = NodeConfig(owner.name, owner.uid, each.spec)
        return found

    async def put(self, entries: Mapping[str, NodeConfig]) -> Failures[str]:
        """Make or change objects."""
        return await one_by_one(entries, lambda name: self._put(name, entries[name]))

    async def remove(self, keys: Collection[str]) -> Failures[str]:
        """Delete objects of nodes that are selected no more."""
        return await one_by_one(keys, self._remove)

    async def last_writer(self, key: str) -> str:
        """Return who wrote to an object last, as the API server notes it."""
        return await find_last_writer(self._client, NODE_CONFIGS, ("", key))

    async def _put(self, name: str, wanted: NodeConfig) -> None:
        owner = OwnerReference(
            api_version=CLUSTER_CONFIGS.api_version,
            kind=CLUSTER_CONFIGS.kind,
            name=wanted.owner,
            uid=wanted.owner_uid,
            controller=True,
        )
        meta = ObjectMeta(name=name, owner_references=(owner,))
        if self._table.get(name) is None:
            try:
                await self._client.create(
                    NODE_CONFIGS, CiliumBGPNodeConfig(metadata=meta, spec=wanted.spec)
                )
            except AlreadyExistsError:
                pass  # The table will say whose it is.
            else:
                return
        body: dict[str, Any] = {
            "metadata": {"ownerReferences": [msgspec.to_builtins(owner)]},
            "spec": {"bgpInstances": msgspec.to_builtins(wanted.spec.bgp_instances)},
        }
        await self._client.patch(NODE_CONFIGS, name, body)

    async def _remove(self, name: str) -> None:
        found = self._table.get(name)
        if found is None or owner_of(found.metadata) is None:
            return
        try:
            await self._client.delete(NODE_CONFIGS, name, uid=found.metadata.uid)
        except (NotFoundError, ConflictError):
            return  # Gone, or another: the table will say so.
