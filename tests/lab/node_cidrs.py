"""Nodes' CIDRs and pools as a test edits and audits them, through the API that agents read."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from itertools import combinations
from typing import Any, Final

from tests.lab.cluster import Cluster, Done, eventually, run
from tests.lab.faulty_node import TOOLS, FaultyNode

from ciliate.lab.cgroup import LabCgroup
from ciliate.net.address import IPNetwork

DRAINING: Final = "ipam.ciliate.io/draining-cidrs"
POOL_ANNOTATION: Final = "ipam.cilium.io/ip-pool"
STATE_FILE: Final = "/var/run/cilium/state/pod-cidrs.json"


@dataclass(frozen=True, slots=True)
class NodeCIDRs:
    """What a CiliumNode says of its CIDRs."""

    current: tuple[str, ...]
    draining: tuple[str, ...]
    error: str
    requested: dict[str, int]  # IPv4 addresses by pool.
    version: str

    @property
    def networks(self) -> list[IPNetwork]:
        """Every CIDR that is the node's; what cannot be read is none."""
        found = []
        for text in dict.fromkeys((*self.current, *self.draining)):
            with contextlib.suppress(ValueError):
                found.append(ip_network(text))
        return found


def all_cidrs(lab: Cluster) -> dict[str, NodeCIDRs]:
    """Every node's CIDRs."""
    return {
        item["metadata"]["name"]: _node_cidrs(item) for item in lab.object("ciliumnodes")["items"]
    }


def cidrs_of(lab: Cluster, node: str) -> NodeCIDRs:
    """One node's CIDRs."""
    return _node_cidrs(lab.object("ciliumnode", node))


def _node_cidrs(item: Any) -> NodeCIDRs:
    ipam = item["spec"].get("ipam", {})
    pools = ipam.get("pools", {})
    current = [cidr for pool in pools.get("allocated", ()) for cidr in pool["cidrs"]]
    draining = item["metadata"].get("annotations", {}).get(DRAINING, "")
    status = item.get("status", {}).get("ipam", {}).get("operator-status", {})
    return NodeCIDRs(
        current=(*ipam.get("podCIDRs", ()), *current),
        draining=tuple(filter(None, draining.split(","))),
        error=status.get("error", ""),
        requested={
            request["pool"]: request.get("needed", {}).get("ipv4-addrs", 0)
            for request in pools.get("requested", ())
        },
        version=item["metadata"]["resourceVersion"],
    )


def wait_error(lab: Cluster, node: str, text: str, *, within_s: float = 10.0) -> None:
    """Wait until a CiliumNode's operator-status.error has that text; "" is no error."""

    def is_reported() -> bool:
        error = cidrs_of(lab, node).error
        return text in error if text else not error

    try:
        eventually(is_reported, within_s=within_s)
    except AssertionError as error:
        raise AssertionError(f"{node}, not {text!r}: {cidrs_of(lab, node)}") from error


def edit_node(lab: Cluster, node: str, **change: Any) -> None:
    """Change a CiliumNode by hand: `spec=...`, `metadata=...`."""
    lab.kubectl("patch", "ciliumnode", node, "--type=merge", "-p", json.dumps(change))


def set_config(lab: Cluster, **data: str) -> None:
    """Change keys of cilium-config, written with underscores."""
    body = {"data": {key.replace("_", "-"): value for key, value in data.items()}}
    lab.kubectl("-n", "kube-system", "patch", "configmap", "cilium-config", "-p", json.dumps(body))


def apply_pool(lab: Cluster, name: str, *cidrs: str, mask: int = 28, family: str = "ipv4") -> Done:
    """Create or change a CiliumPodIPPool; the answer says what is refused."""
    pool = {
        "apiVersion": "cilium.io/v2alpha1",
        "kind": "CiliumPodIPPool",
        "metadata": {"name": name},
        "spec": {family: {"cidrs": list(cidrs), "maskSize": mask}},
    }
    environment = {**os.environ, "KUBECONFIG": str(lab.folder / "kubeconfig")}
    words = ["kubectl", "apply", "-f", "-"]
    return run(words, check=False, env=environment, text=json.dumps(pool))


def apply_pool_pods(lab: Cluster, names: Sequence[str], node: str = "", pool: str = "") -> None:
    """Pods with the host's tools that want an address of `pool`; without a node, of none yet."""
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "labels": {"made-by": "apply-pool-pods"},
                "annotations": {POOL_ANNOTATION: pool} if pool else {},
            },
            "spec": {
                **({"nodeName": node} if node else {"schedulerName": "the-test"}),
                "terminationGracePeriodSeconds": 0,
                "containers": [TOOLS],
            },
        }
        for name in names
    ]
    items = {"apiVersion": "v1", "kind": "List", "items": pods}
    lab.kubectl("apply", "-f", "-", text=json.dumps(items))


def wait_ready(lab: Cluster, *names: str, within_s: int = 30) -> None:
    """Return when the pods are ready."""
    pods = [f"pod/{name}" for name in names]
    lab.kubectl("wait", *pods, "--for=condition=Ready", f"--timeout={within_s}s")


def delete_pods(lab: Cluster, *names: str) -> None:
    """Delete pods; returns when the API has none of them."""
    if names:
        lab.kubectl("delete", "pod", *names, "--grace-period=0", "--force", "--ignore-not-found")


def delete_unbound_pods(lab: Cluster) -> None:
    """Delete the pods without a node, in one call: kubectl takes a third of a second for each.

    The API server deletes a pod without a node at once.
    """
    selected = "labelSelector=made-by%3Dapply-pool-pods&fieldSelector=spec.nodeName%3D"
    lab.kubectl("delete", "--raw", f"/api/v1/namespaces/default/pods?{selected}")


def warnings_of(lab: Cluster, name: str) -> str:
    """What Events warn of about an object: `reason: message`, a line each."""
    about = f"involvedObject.name={name},type=Warning"
    found = lab.object("events", "-A", "--field-selector", about)["items"]
    return "\n".join(f"{event['reason']}: {event['message']}" for event in found)


def wait_warning(lab: Cluster, name: str, *texts: str, within_s: float = 15.0) -> None:
    """Wait until Events about an object warn of all that."""
    try:
        eventually(
            lambda: all(text in warnings_of(lab, name) for text in texts), within_s=within_s
        )
    except AssertionError as error:
        raise AssertionError(f"Events of {name}: {warnings_of(lab, name)!r}") from error


# The operator.


def operators(lab: Cluster) -> dict[str, int]:
    """The operators' processes by pod."""
    found = {}
    for file in LabCgroup.of(lab.name).path.glob(
        "*/kube-system_cilium-operator-*/cilium-operator/cgroup.procs"
    ):
        try:
            pids = file.read_text().split()
        except OSError:  # The group went between listing and reading.
            continue
        for pid in pids:
            found[file.parts[-3].split("_")[1]] = int(pid)
    return found


def kill_operators(lab: Cluster) -> None:
    """Kill -9 every operator that runs."""
    for pid in operators(lab).values():
        os.kill(pid, signal.SIGKILL)


def leader(lab: Cluster) -> str:
    """The holder of the operators' Lease."""
    lease = lab.object("-n", "kube-system", "lease", "cilium-operator-resource-lock")
    return str(lease["spec"].get("holderIdentity", ""))


# Audits: nothing double, nothing lost.


def twice_claimed(lab: Cluster) -> Iterator[str]:
    """Yield CIDRs of two nodes that share an address."""
    claims = [(n, cidr) for n, found in all_cidrs(lab).items() for cidr in found.networks]
    for (one, mine), (other, theirs) in combinations(claims, 2):
        if one != other and mine.version == theirs.version and mine.overlaps(theirs):
            yield f"{one} has {mine}, {other} has {theirs}"


def audit(lab: Cluster) -> dict[str, str]:
    """Check that no CIDR and no address is double or lost; return the pods' addresses.

    Each running pod has an address of its own, in a CIDR of its node, which its agent knows.
    """
    assert list(twice_claimed(lab)) == []
    nodes = all_cidrs(lab)
    pods = {}
    for item in lab.object("pods")["items"]:
        if item["status"].get("podIP") and not item["metadata"].get("deletionTimestamp"):
            pods[item["metadata"]["name"]] = item["spec"]["nodeName"], item["status"]["podIP"]
    addresses = [address for _node, address in pods.values()]
    assert len(set(addresses)) == len(addresses), f"an address was given twice: {pods}"
    for place in {node for node, _address in pods.values()}:
        allocated = FaultyNode(lab, place).allocations()
        for name, (node, address) in pods.items():
            if node != place:
                continue
            assert allocated.get(address, "").startswith(f"default/{name}"), (
                name,
                address,
                allocated,
            )
            held = nodes[node].networks
            assert any(ip_address(address) in cidr for cidr in held), (name, address, held)
    return {name: address for name, (_node, address) in pods.items()}


def assert_mesh(lab: Cluster, addresses: dict[str, str]) -> None:
    """Every pod reaches every other one, and the world."""
    targets = " ".join((*addresses.values(), "203.0.113.10"))
    script = f"for ip in {targets}; do ping -c1 -W2 $ip >/dev/null || echo $ip; done"
    for name in addresses:
        assert lab.exec(name, "sh", "-c", script) == "", f"{name} does not reach these"
