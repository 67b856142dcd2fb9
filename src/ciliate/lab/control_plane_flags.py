"""The flags of the lab's control plane, by the names that kube-apiserver and its kin give them.

The processes read what they are given, and the control plane's pods in the API (`control_plane_pods`)
show the same words. Pure.
"""

from collections.abc import Sequence
from typing import Final

from ciliate.lab import topology

#: Kubernetes' own default, and Cilium's.
NODE_PORT_RANGE: Final = "30000-32767"


def apiserver_flags(*, dual_stack: bool) -> list[str]:
    """Return the flags of the embedded API server."""
    host = topology.cluster_addresses(topology.node(0), dual_stack=False)[0].ip
    return [
        f"--advertise-address={host}",
        f"--secure-port={topology.API_PORT}",
        f"--service-cluster-ip-range={','.join(topology.service_cidrs(dual_stack=dual_stack))}",
        f"--service-node-port-range={NODE_PORT_RANGE}",
    ]


def controller_flags(*, dual_stack: bool) -> list[str]:
    """Return the flags of the controllers, which share a process with the kubelets."""
    return [
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={','.join(topology.cluster_cidrs(dual_stack=dual_stack))}",
    ]


def values_of(flags: Sequence[str], name: str) -> tuple[str, ...]:
    """Return the comma-separated values of `--NAME=...`; nothing when the flag is not given."""
    prefix = f"--{name}="
    return tuple(
        value
        for flag in flags
        if flag.startswith(prefix)
        for value in flag.removeprefix(prefix).split(",")
    )
