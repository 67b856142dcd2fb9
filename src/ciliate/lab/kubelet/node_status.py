"""The node's own object: registered at start, addresses and conditions reported, its Lease renewed.

A node is Ready when it has a CNI configuration, and only then, as with containerd: this is how
the cluster learns that the agent is up for the first time.
"""

import asyncio
import logging
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ciliate.api.coordination import LEASES, Lease, LeaseSpec
from ciliate.api.metadata import ObjectMeta, OwnerReference, format_micro_time, format_time
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import AlreadyExistsError, KubeError, NotFoundError
from ciliate.lab.kubelet.node import NodeIdentity
from ciliate.lab.kubelet.node_addresses import follow_addresses, read_node_ips
from ciliate.lab.objects import NODES, Json, Node
from ciliate.netlink.errors import NetlinkError
from ciliate.reconcile.backoff import Backoff

KUBELET_VERSION: Final = "v1.33.2"
RUNTIME_VERSION: Final = "ciliate-lab://0.1.0"
HEARTBEAT_S: Final = 10.0
_LEASE_S: Final = 40
_LEASE_NAMESPACE: Final = "kube-node-lease"

_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}

_log = logging.getLogger(__name__)


def architecture() -> str:
    """Return the machine's architecture as Go names it."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def labels_of(identity: NodeIdentity) -> dict[str, str]:
    """Return the labels a kubelet gives its node."""
    labels = {
        "beta.kubernetes.io/arch": architecture(),
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture(),
        "kubernetes.io/hostname": identity.name,
        "kubernetes.io/os": "linux",
    }
    if identity.control_plane:
        labels["node-role.kubernetes.io/control-plane"] = ""
    return labels


def node_facts(os_release: str) -> Json:
    """Return `status.nodeInfo` and what else never changes, given the text of /etc/os-release."""
    pretty = next(
        (
            line.partition("=")[2].strip('"')
            for line in os_release.splitlines()
            if line.startswith("PRETTY_NAME=")
        ),
        "Linux",
    )
    return {
        "architecture": architecture(),
        "bootID": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "containerRuntimeVersion": RUNTIME_VERSION,
        "kernelVersion": os.uname().release,
        "kubeProxyVersion": "",
        "kubeletVersion": KUBELET_VERSION,
        "machineID": "",
        "operatingSystem": "linux",
        "osImage": pretty,
        "systemUUID": "",
    }


def capacity_of(identity: NodeIdentity) -> dict[str, str]:
    """Return what pods may use: the machine is shared, so these are its own numbers."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": str(os.cpu_count() or 1),
        "memory": f"{pages // 1024}Ki",
        "pods": str(identity.pods_max),
    }


def conditions(
    *, network_problem: str, before: Mapping[str, Mapping[str, Any]], now: str
) -> list[Json]:
    """Return the node's conditions; `network_problem` empty means Ready. Pure.

    `before` has the conditions reported last, by type: what stays keeps its transition time.
    """
    problem = (
        "container runtime network not ready: NetworkReady=false "
        f"reason:NetworkPluginNotReady message:Network plugin returns error: {network_problem}"
    )
    table = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID"),
        ("Ready", "False", "KubeletNotReady", problem)
        if network_problem
        else ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ]
    found = []
    for kind, status, reason, message in table:
        last = before.get(kind, {})
        same = last.get("status") == status
        found.append(
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": now,
                "lastTransitionTime": last.get("lastTransitionTime") if same else now,
            }
        )
    return found


class NodeReporter:
    """Keeps one Node object and its Lease; one task executes `run`."""

    def __init__(self, identity: NodeIdentity, client: ApiClient) -> None:
        self._identity = identity
        self._client = client
        #: The node's addresses, as its devices had them last.
        self.ips = identity.ips
        self._changed = asyncio.Event()
        self._network_problem = "cni plugin not initialized"
        self._conditions: dict[str, Json] = {}
        self._reported_ips: tuple[str, ...] = ()
        self._uid = ""
        self._info = node_facts(_os_release())

    def set_network(self, problem: str) -> None:
        """Set why the node has no network; empty: it has one."""
        if problem != self._network_problem:
            self._network_problem = problem
            self._changed.set()

    async def run(self) -> None:
        """Register, then report changes at once and a heartbeat every 10 s, until cancelled.

        The node's addresses are read each time.
        """
        backoff = Backoff()
        while True:
            self._changed.clear()
            await self._read_addresses()
            try:
                await self._report()
                await self._renew_lease()
                backoff.reset()
                pause_s = HEARTBEAT_S
            except KubeError as error:
                _log.info("node %s: %s; trying again", self._identity.name, error)
                pause_s = backoff.next()
            try:
                async with asyncio.timeout(pause_s):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def follow_addresses(self) -> None:
        """Have changes of the node's addresses reported at once, until cancelled."""
        try:
            await follow_addresses(self._identity.pins, self._changed.set)
        except NetlinkError as error:
            _log.warning(
                "node %s: %s; its addresses are read every %.0f s",
                self._identity.name,
                error,
                HEARTBEAT_S,
            )

    async def _report(self) -> None:
        """Create the node where it is missing, and write its status where it changed."""
        now = format_time(datetime.now(UTC))
        new = conditions(network_problem=self._network_problem, before=self._conditions, now=now)
        by_type = {str(condition["type"]): condition for condition in new}
        ips = self.ips
        is_same = _statuses(by_type) == _statuses(self._conditions) and ips == self._reported_ips
        if self._uid and is_same:
            return  # The Lease alone is the heartbeat then, as with real kubelets.
        if not self._uid:
            await self._register()
        status = {
            "addresses": [
                *({"type": "InternalIP", "address": ip} for ip in ips),
                {"type": "Hostname", "address": self._identity.name},
            ],
            "capacity": capacity_of(self._identity),
            "allocatable": capacity_of(self._identity),
            "conditions": new,
            "nodeInfo": self._info,
        }
        try:
            await self._client.patch(
                NODES, self._identity.name, {"status": status}, subresource="status"
            )
        except NotFoundError:
            self._uid = ""  # Deleted by hand: register again.
            raise
        self._conditions = by_type
        self._reported_ips = ips

    async def _read_addresses(self) -> None:
        try:
            found = await read_node_ips(self._identity.pins, self.ips)
        except NetlinkError as error:  # The machine is going, or not whole yet.
            _log.info("node %s: %s; its addresses stay", self._identity.name, error)
            return
        if found != self.ips:
            _log.info("node %s: addresses %s", self._identity.name, ", ".join(found))
            self.ips = found

    async def _register(self) -> None:
        labels = labels_of(self._identity)
        try:
            node = await self._client.create(
                NODES, Node(metadata=ObjectMeta(name=self._identity.name, labels=labels))
            )
        except AlreadyExistsError:
            node = await self._client.patch(
                NODES, self._identity.name, {"metadata": {"labels": labels}}
            )
        self._uid = node.metadata.uid
        self._conditions = {
            str(condition["type"]): condition for condition in node.status.get("conditions", [])
        }

    async def _renew_lease(self) -> None:
        name = self._identity.name
        now = format_micro_time(datetime.now(UTC))
        try:
            await self._client.patch(
                LEASES, name, {"spec": {"renewTime": now}}, namespace=_LEASE_NAMESPACE
            )
        except NotFoundError:
            owner = OwnerReference(api_version="v1", kind="Node", name=name, uid=self._uid)
            await self._client.create(
                LEASES,
                Lease(
                    metadata=ObjectMeta(
                        name=name, namespace=_LEASE_NAMESPACE, owner_references=(owner,)
                    ),
                    spec=LeaseSpec(
                        holder_identity=name, lease_duration_seconds=_LEASE_S, renew_time=now
                    ),
                ),
            )


def _statuses(by_type: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    return {
        kind: (str(condition["status"]), str(condition.get("message", "")))
        for kind, condition in by_type.items()
    }


def _os_release() -> str:
    try:
        return Path("/etc/os-release").read_text()
    except FileNotFoundError:
        return ""
