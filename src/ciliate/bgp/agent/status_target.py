"""The status of this node's CiliumBGPNodeConfig, as a reconciler keeps it."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from ciliate.api.bgp import NODE_CONFIGS, CiliumBGPNodeConfig
from ciliate.api.conditions import written
from ciliate.bgp.agent.status import NodeVerdict, shown_verdict
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ConflictError, NotFoundError
from ciliate.reconcile.target import Failures, one_by_one


class NodeStatusTarget:
    """What the object says of its sessions; its key is the node's name."""

    name: Final = "bgp node status"

    def __init__(
        self,
        client: ApiClient,
        own: Callable[[], CiliumBGPNodeConfig | None],
        verdict: Callable[[CiliumBGPNodeConfig], NodeVerdict | None],
    ) -> None:
        """Write to what `own` returns what `verdict` says, which is None while it is not known."""
        self._client = client
        self._own = own
        self._verdict = verdict
        self._left_alone: set[str] = set()

    @property
    def left_alone(self) -> Collection[object]:
        """The object where the last put found it as it should be."""
        return self._left_alone

    def desired(self) -> Mapping[str, NodeVerdict] | None:
        """Return what it should say."""
        config = self._own()
        if config is None:
            return {}
        verdict = self._verdict(config)
        return None if verdict is None else {config.metadata.name: verdict}

    async def observe(self) -> Mapping[str, NodeVerdict]:
        """Return what it says."""
        config = self._own()
        shown = shown_verdict(config) if config is not None else None
        return {config.metadata.name: shown} if config is not None and shown is not None else {}

    async def put(self, entries: Mapping[str, NodeVerdict]) -> Failures[str]:
        """Have it say that."""
        self._left_alone = set()
        return await one_by_one(entries, lambda name: self._put(name, entries[name]))

    async def remove(self, keys: Collection[str]) -> Failures[str]:  # noqa: ARG002 - the contract's.
        """Do nothing: an object that is gone says nothing."""
        return {}

    async def _put(self, name: str, verdict: NodeVerdict) -> None:
        config = self._own()
        if config is None or shown_verdict(config) == verdict:
            self._left_alone.add(name)
            return
        conditions = written(
            config.status.conditions, verdict.conditions, verdict.generation, datetime.now(UTC)
        )
        body: dict[str, Any] = {
            "metadata": {"resourceVersion": config.metadata.resource_version},
            "status": {
                "bgpInstances": msgspec.to_builtins(verdict.instances),
                "conditions": conditions,
            },
        }
        try:
            await self._client.patch(NODE_CONFIGS, name, body, subresource="status")
        except (NotFoundError, ConflictError):
            self._left_alone.add(name)  # Gone, or changed: the table will say so.
