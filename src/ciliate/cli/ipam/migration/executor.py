"""A migration's steps: settings, operator, then node by node; each reads the state before it acts.

So a run that was killed can be resumed: the record says which agents had read the former settings,
everything else is read from the cluster. Taking back is the same in reverse: the former texts, and
all nodes in reverse order.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from ciliate.cli.ipam.migration.cluster import MigrationCluster
from ciliate.cli.ipam.migration.errors import (
    RESTART_OPERATOR,
    AgentNotReadyError,
    AgentNotRestartedError,
    EndpointsChangedError,
    MigrationError,
    NoCIDRsError,
    NodeGoneError,
    OperatorNotReadyError,
    OperatorNotRestartedError,
    StoppedError,
)
from ciliate.cli.ipam.migration.model import (
    PROCESS,
    Endpoints,
    MigrationPhase,
    NodeState,
    Record,
)
from ciliate.cli.ipam.migration.plan import awaited, to_empty
from ciliate.cli.process_agents import restart_by_hand
from ciliate.errors import CiliateError
from ciliate.kube.errors import KubeError, UnavailableError

#: How often a condition is checked, in seconds; a check lists pods of the cluster.
_POLL_S: Final = 0.3
_POLL_S_MAX: Final = 3.0


class Reporter(Protocol):
    """Where a migration reports its steps."""

    def doing(self, what: str) -> None:
        """Report the step under way."""

    def done(self, what: str) -> None:
        """Report a finished step."""


@dataclass(slots=True)
class Executor:
    """Does what a record says; `node_timeout_s` bounds each wait."""

    cluster: MigrationCluster
    reporter: Reporter
    node_timeout_s: float

    async def run(self, record: Record) -> Record:
        """Bring the migration to its end; return its record.

        Raises:
            MigrationError: A step failed. The record says which; nothing is undone.
        """
        try:
            return await self._run(record)
        except CiliateError as error:
            stopped = error if isinstance(error, MigrationError) else StoppedError(str(error))
            with contextlib.suppress(KubeError):  # The API server itself may be away.
                latest = await self.cluster.read_record() or record
                failed = msgspec.structs.replace(latest, failure=str(stopped))
                await self.cluster.write_record(failed)
            raise stopped from error

    async def _run(self, record: Record) -> Record:
        record = msgspec.structs.replace(record, failure="")
        if record.phase == MigrationPhase.SETTINGS.value:
            record = await self._settings(record)
        if record.phase == MigrationPhase.OPERATOR.value:
            record = await self._operator(record)
        for number, name in enumerate(record.nodes, 1):
            await self._node(record, name, f"{name} ({number} of {len(record.nodes)})")
        return await self._at(record, MigrationPhase.DONE)

    async def _at(self, record: Record, phase: MigrationPhase) -> Record:
        record = msgspec.structs.replace(record, phase=phase.value)
        await self.cluster.write_record(record)
        return record

    async def _settings(self, record: Record) -> Record:
        await self.cluster.write_record(record)
        await self.cluster.write_settings(record.changes)
        self.reporter.done(f"{self.cluster.names.config_map}: {len(record.changes)} keys written")
        # After the write: agents that start from now on read it. All others restart, also when
        # taking back: which settings they have read is not known, since a container that restarts
        # reads them again inside the same pod. Nodes that have joined since come last.
        agents = await self.cluster.agent_uids()
        operators = await self.cluster.operators() or await self.cluster.operator_process()
        record = msgspec.structs.replace(
            record,
            agents=agents,
            operators=tuple(operators),
            nodes=(*record.nodes, *sorted(agents.keys() - set(record.nodes))),
        )
        return await self._at(record, MigrationPhase.OPERATOR)

    async def _operator(self, record: Record) -> Record:
        names = self.cluster.names
        by_hand = any(uid.startswith(PROCESS) for uid in record.operators)
        running = self.cluster.operator_process if by_hand else self.cluster.operators
        if by_hand:
            self.reporter.doing(f"waits for you to restart the operator: {RESTART_OPERATOR}")
        else:
            self.reporter.doing(f"{names.operator_deployment_name} restarts")
            await self.cluster.delete_pods(record.operators)

        async def is_ready() -> bool:
            found = await running()
            return any(ready for uid, ready in found.items() if uid not in record.operators)

        if not await self._until(is_ready):
            if by_hand:
                raise OperatorNotRestartedError(self.node_timeout_s)
            trouble = await self.cluster.operator_trouble()
            raise OperatorNotReadyError(names, self.node_timeout_s, trouble)
        self.reporter.done(f"{names.operator_deployment_name} restarted")
        return await self._at(record, MigrationPhase.NODES)

    async def _node(self, record: Record, name: str, title: str) -> None:
        before = await self.cluster.read_node(name, endpoints=True)
        if before is None:
            self.reporter.done(f"{title}: has left the cluster")
            return
        said = []
        if before.agent is not None and before.agent.uid == record.agents.get(name):
            if before.agent.is_process:
                self.reporter.doing(f"{title}: waits for you: {restart_by_hand([name])}")
            else:
                self.reporter.doing(f"{title}: its agent restarts")
                await self.cluster.delete_pods((before.agent.uid,))
            said.append("agent restarted")
        await self._agent_ready(record, name)
        config = await self.cluster.settings()
        empties = to_empty(config, await self._read_node(name))
        if empties:
            # Only now, with an agent of the new mode: the former one would write them again.
            await self.cluster.empty_pod_cidrs(name, empties)
            said.append(f"{' '.join(empties)} given up")
        await self._cidrs(config, name, title)
        after = await self._read_node(name, endpoints=True)
        self._check_endpoints(before.endpoints, after)
        draining = after.cilium_node.draining_cidrs if after.cilium_node is not None else ()
        said.append(f"CIDRs {' '.join(after.cidrs)}")
        if draining:
            said.append(f"draining {' '.join(draining)}")
        kept = sum(1 for pod in before.endpoints if pod in after.endpoints)
        pods = "1 pod" if kept == 1 else f"{kept} pods"
        self.reporter.done(f"{title}: {', '.join(said)}; {pods} as before")

    async def _agent_ready(self, record: Record, name: str) -> None:
        seen: list[NodeState] = []

        async def is_ready() -> bool:
            seen[:] = [await self._read_node(name)]
            agent = seen[0].agent
            return agent is not None and agent.ready and agent.uid != record.agents.get(name)

        if not await self._until(is_ready):
            agent = seen[0].agent if seen else None
            if agent is not None and agent.is_process and agent.uid == record.agents.get(name):
                raise AgentNotRestartedError(name, self.node_timeout_s)
            raise AgentNotReadyError(name, agent, self.node_timeout_s)

    async def _cidrs(self, config: Mapping[str, str], name: str, title: str) -> None:
        lacks = ""
        found: list[NodeState] = []

        async def has_arrived() -> bool:
            nonlocal lacks
            found[:] = [await self._read_node(name)]
            lacks = awaited(config, found[0])
            if lacks:
                self.reporter.doing(f"{title}: waits for {lacks}")
            return not lacks

        if not await self._until(has_arrived):
            node = found[0].cilium_node if found else None
            said = node.status.ipam.operator_status.error if node is not None else ""
            raise NoCIDRsError(name, lacks or "CIDRs", said, self.node_timeout_s)

    @staticmethod
    def _check_endpoints(before: Endpoints, after: NodeState) -> None:
        changed: Mapping[str, tuple[str, ...]] = {
            pod: addresses
            for pod, addresses in before.items()
            if pod in after.endpoints and set(after.endpoints[pod]) != set(addresses)
        }
        if changed:
            raise EndpointsChangedError(after.name, changed)

    async def _read_node(self, name: str, *, endpoints: bool = False) -> NodeState:
        found = await self.cluster.read_node(name, endpoints=endpoints)
        if found is None:
            raise NodeGoneError(name)
        return found

    async def _until(self, condition: Callable[[], Awaitable[bool]]) -> bool:
        """Wait for a condition; while the API server is away it goes on waiting."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.node_timeout_s
        pause_s = _POLL_S
        while True:
            try:
                if await condition():
                    return True
            except UnavailableError as error:
                self.reporter.doing(str(error))
                if loop.time() > deadline:
                    raise
            if loop.time() > deadline:
                return False
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.2, _POLL_S_MAX)
