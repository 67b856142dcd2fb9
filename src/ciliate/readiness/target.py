"""The taint and the condition of each node, as a target that a reconciler keeps right."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from ciliate.api.core import NODES, Node
from ciliate.cluster.context import Context
from ciliate.kube.errors import NotFoundError
from ciliate.kube.last_writer import find_last_writer
from ciliate.kube.options import PatchKind
from ciliate.readiness.plan import (
    NodeMarks,
    agent_states,
    desired_marks,
    marks_of,
    taint_patch,
    up_patch,
)
from ciliate.readiness.settings import ReadinessSettings
from ciliate.reconcile.target import Failures, one_by_one


class NodeMarksTarget:
    """What nodes show of their agents; observed in the table of nodes, which follows the API."""

    name = "node marks"

    def __init__(self, context: Context, settings: ReadinessSettings) -> None:
        self._client = context.client
        self._tables = context.tables
        self._may_act = context.may_act
        self._settings = settings

    def desired(self) -> Mapping[str, NodeMarks] | None:
        """Return what every node should show, or None while a table cannot be trusted."""
        if not (self._tables.current and self._may_act()):
            return None
        states = agent_states(
            self._tables.agents.objects.values(),
            self._tables.cilium_nodes.objects.values(),
            now=datetime.now(UTC),
        )
        return desired_marks(self._shown(), states, self._settings)

    async def observe(self) -> Mapping[str, NodeMarks]:
        """Return what every node shows."""
        return self._shown()

    async def put(self, entries: Mapping[str, NodeMarks]) -> Failures[str]:
        """Make nodes show their marks."""
        return await one_by_one(entries, lambda key: self._put(key, entries[key]))

    async def _put(self, key: str, value: NodeMarks) -> None:
        node = self._tables.nodes.get(key)
        if node is None:
            return
        shown = marks_of(node, self._settings.taint_key)
        try:
            # The condition first: a pod placed at once must not meet the other obstacle.
            if value.up and not shown.up:
                await self._client.patch(
                    NODES,
                    key,
                    up_patch(datetime.now(UTC)),
                    kind=PatchKind.STRATEGIC,
                    subresource="status",
                )
                # The status write changed the version that an addition of the taint tests.
                node = await self._client.get(NODES, key)
            await self._patch_taint(node, tainted=value.tainted)
        except NotFoundError:
            return  # The node is gone: it needs no marks.

    async def last_writer(self, key: str) -> str:
        """Return who wrote to a node last, as the API server notes it."""
        return await find_last_writer(self._client, NODES, ("", key))

    async def remove(self, keys: Collection[str]) -> Failures[str]:  # noqa: ARG002 - the contract's.
        """Do nothing: a node that is gone shows nothing."""
        return {}

    async def _patch_taint(self, node: Node, *, tainted: bool) -> None:
        patch = taint_patch(node, self._settings.taint_key, tainted=tainted)
        if patch:
            await self._client.patch(NODES, node.metadata.name, patch, kind=PatchKind.JSON)

    def _shown(self) -> dict[str, NodeMarks]:
        key = self._settings.taint_key
        return {n.metadata.name: marks_of(n, key) for n in self._tables.nodes.objects.values()}
