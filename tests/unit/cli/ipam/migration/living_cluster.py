"""Agents and operator on an API server: pods that are deleted come back, and read the settings.

It plays DaemonSet, kubelet and operator as far as a migration sees them; the API server and the
command are the real ones.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
from click.testing import CliRunner, Result
from tests.unit.operator.running_operator import configure

from ciliate.api.cilium_node import CILIUM_NODES, READY_ANNOTATION, STARTED_ANNOTATION
from ciliate.api.coordination import LEASES, Lease, LeaseSpec
from ciliate.api.core import CONFIG_MAPS, NODES, PODS, Node, NodeSpec, Pod
from ciliate.api.metadata import ObjectMeta, format_micro_time, format_time
from ciliate.cli.ipam.migrate import command
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import NotFoundError

NAMESPACE = "kube-system"
_LABELS = {
    "agent": {"k8s-app": "cilium"},
    "operator": {"io.cilium/app": "operator", "name": "cilium-operator"},
}

CONFIG = {
    "ipam": "cluster-pool",
    "cluster-pool-ipv4-cidr": "10.20.0.0/16",
    "routing-mode": "native",
    "enable-ipv4": "true",
    "enable-ipv6": "false",
    "ipv4-native-routing-cidr": "10.0.0.0/8",
    "enable-bpf-masquerade": "true",
    "enable-endpoint-routes": "true",
}
TO_MULTI_POOL = (
    "--to=multi-pool",
    "--set=ipam.operator.autoCreateCiliumPodIPPools.default.ipv4.cidrs={10.50.0.0/16}",
    "--set=ipam.operator.autoCreateCiliumPodIPPools.default.ipv4.maskSize=26",
)


class LivingCluster:
    """Two nodes, a and b. Pods of `never_ready` (node names, or "operator") do not become so."""

    def __init__(self, client: ApiClient, kubeconfig: Path) -> None:
        self.without_pod: set[str] = set()  # Node names, or "operator": plain processes.
        self.client = client
        self.modes: dict[str, str] = {}  # What each node's agent has read when it started.
        self.never_ready: set[str] = set()
        self._kubeconfig = kubeconfig
        self._numbers = count(1)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        await configure(self.client, CONFIG)
        for number, name in enumerate("ab"):
            await self.add_node(name, number)
        await self._start("operator", "")
        task = asyncio.ensure_future(self._restart_deleted_pods())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def add_node(self, name: str, number: int) -> None:
        spec = NodeSpec(pod_cidrs=(f"10.244.{number}.0/24",))
        await self.client.create(NODES, Node(metadata=ObjectMeta(name=name), spec=spec))
        body: dict[str, Any] = {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumNode",
            "metadata": {"name": name},
            "spec": {"addresses": []},
        }
        await self.client.request("POST", CILIUM_NODES.path(), body=msgspec.json.encode(body))
        await self._start("agent", name)

    async def migrate(self, *words: str) -> Result:
        """Return how the command ended."""
        given = [*words, f"--kubeconfig={self._kubeconfig}", "--node-timeout=1"]
        return await asyncio.to_thread(CliRunner().invoke, command, given)

    async def restart_process(self, what: str) -> None:
        """Somebody restarts an agent (a node's name) or "operator" that has no pod."""
        if what == "operator":
            await self._start(what, "")
        else:
            await self._start("agent", what)

    async def restart_container(self, node: str) -> None:
        """The agent on a node crashes and starts anew, inside the same pod."""
        self.modes[node] = await self._mode()
        await self._give_cidr(node)

    async def settings(self) -> Mapping[str, str]:
        return (await self.client.get(CONFIG_MAPS, "cilium-config", namespace=NAMESPACE)).data

    async def _mode(self) -> str:
        return (await self.settings())["ipam"]

    async def _start(self, what: str, node: str) -> None:
        if what == "agent":
            self.modes[node] = await self._mode()
            await self._give_cidr(node)
        name = f"{what}-{next(self._numbers)}"
        if (node or what) in self.without_pod:
            await (self._hold_lease(name) if what == "operator" else self._state(node, name))
            return
        body = {
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": _LABELS[what]},
            "spec": {"nodeName": node, "containers": [{"name": what, "image": what}]},
        }
        path = PODS.path(namespace=NAMESPACE)
        await self.client.request("POST", path, body=msgspec.json.encode(body))
        if (node or what) not in self.never_ready:
            status = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
            await self.client.patch(PODS, name, status, namespace=NAMESPACE, subresource="status")

    async def _state(self, node: str, run: str) -> None:
        until = format_time(datetime.now(UTC) + timedelta(minutes=1))
        annotations = {READY_ANNOTATION: until, STARTED_ANNOTATION: run}
        await self.client.patch(CILIUM_NODES, node, {"metadata": {"annotations": annotations}})

    async def _hold_lease(self, holder: str) -> None:
        now = format_micro_time(datetime.now(UTC))
        spec = LeaseSpec(holder_identity=holder, lease_duration_seconds=60, renew_time=now)
        name = "cilium-operator-resource-lock"
        try:
            await self.client.patch(LEASES, name, {"spec": spec}, namespace=NAMESPACE)
        except NotFoundError:
            lease = Lease(metadata=ObjectMeta(name=name, namespace=NAMESPACE), spec=spec)
            await self.client.create(LEASES, lease)

    async def _give_cidr(self, node: str) -> None:
        number = ord(node) - ord("a")
        mode = self.modes[node]
        podcidrs = {
            "kubernetes": [f"10.244.{number}.0/24"],
            "cluster-pool": [f"10.20.{number}.0/24"],
            "multi-pool": [],
        }[mode]
        pools = [{"pool": "default", "cidrs": [f"10.50.{number}.0/26"]}]
        ipam = {
            "podCIDRs": podcidrs,
            "pools": {"allocated": pools if mode == "multi-pool" else []},
        }
        await self.client.patch(CILIUM_NODES, node, {"spec": {"ipam": ipam}})

    async def _restart_deleted_pods(self) -> None:
        there: dict[str, Pod] = {}
        while True:
            pods = {
                pod.metadata.uid: pod
                for pod in (await self.client.list(PODS, namespace=NAMESPACE)).items
            }
            for pod in pods.values():
                if pod.metadata.deletion_timestamp is not None:
                    await self.client.delete(
                        PODS, pod.metadata.name, namespace=NAMESPACE, grace_period_s=0
                    )
            for uid in there.keys() - pods.keys():
                gone = there[uid]
                await self._start(gone.metadata.name.partition("-")[0], gone.spec.node_name)
            there = pods
            await asyncio.sleep(0.02)
