"""The cluster through its API, as a migration reads and changes it.

Only the API is used: it works on a real cluster as in the lab.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from ciliate.api.cilium_endpoint import CILIUM_ENDPOINTS, CiliumEndpoint
from ciliate.api.cilium_node import CILIUM_NODES, CiliumNode
from ciliate.api.coordination import LEASES
from ciliate.api.core import CONFIG_MAPS, NODES, PODS, ConfigMap, Pod
from ciliate.api.metadata import ObjectMeta
from ciliate.api.pod_ip_pool import CILIUM_POD_IP_POOLS, CiliumPodIPPool
from ciliate.api.pod_report import POD_REPORTS, failures
from ciliate.api.service_cidr import SERVICE_CIDRS
from ciliate.cli.cluster_status import is_held
from ciliate.cli.ipam.migration.model import (
    PROCESS,
    ClusterState,
    MigratingAgent,
    NodeState,
    Record,
)
from ciliate.cli.process_agents import process_agents
from ciliate.console.installation import installation
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import AlreadyExistsError, ConflictError, KubeError, NotFoundError
from ciliate.net.address import IPNetwork, ip_network

RECORD: Final = "ciliate-ipam-migration"

#: Key of the ConfigMap that holds the record, as JSON.
_KEY: Final = "record"

#: How often a write is tried again when others had changed the object.
_CONFLICTS_MAX: Final = 20


class MigrationCluster:
    """What a migration reads and writes."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self.names = installation()
        self._namespace = self.names.namespace

    async def read_state(self) -> ClusterState:
        """Return the cluster as it is now.

        Raises:
            KubeError: The API server cannot be asked, or refuses.
        """
        config, nodes, cilium_nodes, pods, endpoints = await asyncio.gather(
            self._client.get(CONFIG_MAPS, self.names.config_map, namespace=self._namespace),
            self._client.list(NODES),
            self._client.list(CILIUM_NODES),
            self._client.list(PODS),
            self._client.list(CILIUM_ENDPOINTS),
        )
        where = {_key(pod): pod.spec.node_name for pod in pods.items}
        held: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
        for endpoint in endpoints.items:
            key = _key(endpoint)
            if key in where:
                held[where[key]][key] = _addresses(endpoint)
        agents = await self._agents(pods.items, cilium_nodes.items)
        by_name = {item.metadata.name: item for item in cilium_nodes.items}
        return ClusterState(
            config=config.data,
            nodes=tuple(
                NodeState(
                    name=node.metadata.name,
                    node=node,
                    cilium_node=by_name.get(node.metadata.name),
                    agent=agents.get(node.metadata.name),
                    endpoints=held[node.metadata.name],
                )
                for node in sorted(nodes.items, key=lambda item: item.metadata.name)
            ),
            pools=await self._pools(),
            service_cidrs=await self._service_cidrs(),
            installation=self.names,
        )

    async def settings(self) -> Mapping[str, str]:
        """Return the keys of cilium-config."""
        return (
            await self._client.get(CONFIG_MAPS, self.names.config_map, namespace=self._namespace)
        ).data

    async def read_node(self, name: str, *, endpoints: bool = False) -> NodeState | None:
        """Return one node as it is now, without listing others; None: it has left the cluster."""
        try:
            node = await self._client.get(NODES, name)
        except NotFoundError:
            return None
        try:
            cilium_node = await self._client.get(CILIUM_NODES, name)
        except NotFoundError:
            cilium_node = None
        pods = (await self._client.list(PODS, field_selector=f"spec.nodeName={name}")).items
        agents = await self._agents(pods, [cilium_node] if cilium_node is not None else [])
        held = await asyncio.gather(*map(self._endpoint, pods)) if endpoints else []
        return NodeState(
            name=name,
            node=node,
            cilium_node=cilium_node,
            agent=agents.get(name),
            endpoints={_key(found): _addresses(found) for found in held if found is not None},
        )

    async def _endpoint(self, pod: Pod) -> CiliumEndpoint | None:
        if pod.spec.host_network:
            return None
        try:
            return await self._client.get(
                CILIUM_ENDPOINTS, pod.metadata.name, namespace=pod.metadata.namespace
            )
        except NotFoundError:
            return None

    async def _agents(
        self, pods: Sequence[Pod], nodes: Sequence[CiliumNode]
    ) -> dict[str, MigratingAgent]:
        found = _processes(nodes, {p.spec.node_name for p in pods if self._is_agents(p)})
        for pod in pods:
            if self._is_agents(pod) and pod.metadata.deletion_timestamp is None:
                ready = _is_ready(pod)
                trouble = "" if ready else await self._trouble(pod)
                found[pod.spec.node_name] = MigratingAgent(
                    pod.metadata.name, pod.metadata.uid, ready, trouble
                )
        return found

    def _is_agents(self, pod: Pod) -> bool:
        return self.names.has_agent(pod.metadata)

    async def _trouble(self, pod: Pod) -> str:
        """Return why a pod is not ready: what its containers failed with, or its last log line."""
        name = pod.metadata.name
        try:
            report = await self._client.get(POD_REPORTS, name, namespace=self._namespace)
            if found := list(failures(report)):
                return "; ".join(found)
            path = PODS.path(namespace=self._namespace, name=name)
            log = await self._client.request("GET", f"{path}/log", params={"tailLines": "1"})
        except KubeError as error:
            return str(error)
        return log.decode(errors="replace").strip()

    async def _pools(self) -> Mapping[str, CiliumPodIPPool]:
        try:
            pools = await self._client.list(CILIUM_POD_IP_POOLS)
        except NotFoundError:
            return {}  # The CRD is missing: the operator creates it.
        return {item.metadata.name: item for item in pools.items}

    async def _service_cidrs(self) -> tuple[IPNetwork, ...]:
        try:
            ranges = await self._client.list(SERVICE_CIDRS)
        except KubeError:
            return ()  # Before Kubernetes 1.33 the API does not show them.
        return tuple(ip_network(text) for item in ranges.items for text in item.spec.cidrs)

    # The record.

    async def read_record(self) -> Record | None:
        """Return the record of the migration under way, or of the last one."""
        try:
            found = await self._client.get(CONFIG_MAPS, RECORD, namespace=self._namespace)
            return msgspec.json.decode(found.data.get(_KEY, ""), type=Record)
        except (NotFoundError, msgspec.DecodeError):
            return None

    async def write_record(self, record: Record) -> None:
        """Write the record, before the step it describes."""
        data = {_KEY: msgspec.json.encode(record).decode()}
        meta = ObjectMeta(name=RECORD, namespace=self._namespace)
        try:
            await self._client.create(CONFIG_MAPS, ConfigMap(metadata=meta, data=data))
        except AlreadyExistsError:
            await self._client.patch(
                CONFIG_MAPS, RECORD, {"data": data}, namespace=self._namespace
            )

    # Acting.

    async def write_settings(self, changes: Mapping[str, str | None]) -> None:
        """Set keys of cilium-config; None removes one."""
        body = {"data": dict(changes)}
        await self._client.patch(
            CONFIG_MAPS, self.names.config_map, body, namespace=self._namespace
        )

    async def agent_uids(self) -> dict[str, str]:
        """Return the agents' pods by node, and what stands for those without one."""
        pods = await self._client.list(
            PODS, namespace=self._namespace, label_selector=self.names.agent_pod_selector
        )
        found = {pod.spec.node_name: pod.metadata.uid for pod in pods.items}
        nodes = (await self._client.list(CILIUM_NODES)).items
        return {name: agent.uid for name, agent in _processes(nodes, found).items()} | found

    async def operators(self) -> dict[str, bool]:
        """Return the operator's pods, and whether each is ready."""
        return {pod.metadata.uid: _is_ready(pod) for pod in await self._operator_pods()}

    async def operator_trouble(self) -> str:
        """Return why an operator's pod is not ready, or an empty text."""
        for pod in await self._operator_pods():
            if not _is_ready(pod):
                return await self._trouble(pod)
        return ""

    async def _operator_pods(self) -> list[Pod]:
        pods = await self._client.list(
            PODS, namespace=self._namespace, label_selector=self.names.operator_pod_selector
        )
        return [pod for pod in pods.items if pod.metadata.deletion_timestamp is None]

    async def operator_process(self) -> dict[str, bool]:
        """Return what stands for the operator that leads, where none has a pod."""
        try:
            lease = await self._client.get(
                LEASES, self.names.operator_lease, namespace=self._namespace
            )
        except NotFoundError:
            return {}
        holder = lease.spec.holder_identity
        return {PROCESS + holder: True} if is_held(lease, datetime.now(UTC)) else {}

    async def delete_pods(self, uids: tuple[str, ...]) -> None:
        """Delete those of these pods that still exist."""
        pods = await self._client.list(PODS, namespace=self._namespace)
        for pod in pods.items:
            meta = pod.metadata
            if meta.uid in uids and meta.deletion_timestamp is None:
                try:
                    await self._client.delete(
                        PODS, meta.name, namespace=self._namespace, uid=meta.uid
                    )
                except (NotFoundError, ConflictError):
                    continue  # Gone already; a new pod may have its name.

    async def empty_pod_cidrs(self, name: str, cidrs: tuple[str, ...]) -> None:
        """Take these podCIDRs out of a CiliumNode, if they are still all that it has.

        Raises:
            ConflictError: Others changed the object at every attempt.
        """
        for attempt in range(_CONFLICTS_MAX):
            found = await self._client.get(CILIUM_NODES, name)
            if found.spec.ipam.pod_cidrs != cidrs:
                return
            body: Any = {
                "metadata": {"resourceVersion": found.metadata.resource_version},
                "spec": {"ipam": {"podCIDRs": []}},
            }
            try:
                await self._client.patch(CILIUM_NODES, name, body)
            except ConflictError:
                if attempt == _CONFLICTS_MAX - 1:
                    raise
            else:
                return


def _processes(
    nodes: Iterable[CiliumNode], with_pod: Collection[str]
) -> dict[str, MigratingAgent]:
    now = datetime.now(UTC)
    return {
        name: MigratingAgent("", PROCESS + agent.started, agent.ready_until > now)
        for name, agent in process_agents(nodes, with_pod).items()
    }


def _key(item: Any) -> str:
    return f"{item.metadata.namespace}/{item.metadata.name}"


def _addresses(endpoint: CiliumEndpoint) -> tuple[str, ...]:
    networking = endpoint.status.networking
    pairs = networking.addressing if networking is not None else ()
    return tuple(text for pair in pairs for text in (pair.ipv4, pair.ipv6) if text)


def _is_ready(pod: Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)
