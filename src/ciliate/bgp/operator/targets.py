"""The CiliumBGPNodeConfigs, and the conditions of what they are made of, as reconcilers keep them."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from ciliate.api.bgp import (
    CLUSTER_CONFIGS,
    NODE_CONFIGS,
    CiliumBGPNodeConfig,
    ConditionsStatus,
    owner_of,
)
from ciliate.api.metadata import KubeObject, ObjectMeta, OwnerReference
from ciliate.api.resource import Resource
from ciliate.bgp.conditions import written
from ciliate.bgp.operator.plan import NodeConfig
from ciliate.bgp.operator.verdicts import Verdict, shown_verdict
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


class Judged(KubeObject, Protocol):
    """An object whose status is conditions."""

    @property
    def status(self) -> ConditionsStatus:
        """Its status."""
        ...


T = TypeVar("T", bound=Judged)


class ConditionsTarget(Generic[T]):
    """The conditions of all objects of a kind."""

    def __init__(
        self,
        client: ApiClient,
        resource: Resource[T],
        table: Informer[T],
        kinds: tuple[str, ...],
        judge: Callable[[T], Verdict | None],
        *,
        may_act: Callable[[], bool],
    ) -> None:
        """Keep the conditions `kinds` at what `judge` says, which is None while it is not known."""
        self.name = f"conditions of {resource.kind}s"
        self._client = client
        self._resource = resource
        self._table = table
        self._kinds = kinds
        self._judge = judge
        self._may_act = may_act
        self._left_alone: set[str] = set()

    @property
    def left_alone(self) -> Collection[object]:
        """The objects that the last put found as they should be."""
        return self._left_alone

    def desired(self) -> Mapping[str, Verdict] | None:
        """Return what they should say; None while that is not known, or not ours to say."""
        if not self._may_act():
            return None
        found = {e.metadata.name: self._judge(e) for e in self._table.objects.values()}
        if any(verdict is None for verdict in found.values()):
            return None
        return {name: verdict for name, verdict in found.items() if verdict is not None}

    async def observe(self) -> Mapping[str, Verdict]:
        """Return what they say."""
        found = (
            (each.metadata.name, shown_verdict(each.status.conditions, self._kinds))
            for each in self._table.objects.values()
        )
        return {name: verdict for name, verdict in found if verdict is not None}

    async def put(self, entries: Mapping[str, Verdict]) -> Failures[str]:
        """Have them say that."""
        self._left_alone = set()
        return await one_by_one(entries, lambda name: self._put(name, entries[name]))

    async def remove(self, keys: Collection[str]) -> Failures[str]:  # noqa: ARG002 - the contract's.
        """Do nothing: an object that is gone says nothing."""
        return {}

    async def last_writer(self, key: str) -> str:
        """Return who wrote to an object last, as the API server notes it."""
        return await find_last_writer(self._client, self._resource, ("", key))

    async def _put(self, name: str, verdict: Verdict) -> None:
        found = self._table.get(name)
        said = shown_verdict(found.status.conditions, self._kinds) if found is not None else None
        if found is None or said == verdict or not self._may_act():
            self._left_alone.add(name)
            return
        conditions = written(
            found.status.conditions, verdict.conditions, verdict.generation, datetime.now(UTC)
        )
        body = {
            "metadata": {"resourceVersion": found.metadata.resource_version},
            "status": {"conditions": conditions},
        }
        try:
            await self._client.patch(self._resource, name, body, subresource="status")
        except (NotFoundError, ConflictError):
            self._left_alone.add(name)  # Gone, or changed: the table will say so.
