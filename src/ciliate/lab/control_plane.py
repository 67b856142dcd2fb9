"""The lab's control plane: the API server's process, and the objects to begin with.

This and `kube` are the seam at which real Kubernetes binaries can take the place of the embedded
parts: whatever serves the API on the two sockets and runs the nodes' pods will do.
"""

import asyncio
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

from ciliate.apiserver.settings import ApiServerSettings, port_range
from ciliate.kube.client import ApiClient
from ciliate.kube.placed import create_missing
from ciliate.lab import manifests, topology
from ciliate.lab.control_plane_flags import values_of
from ciliate.lab.dns.manifests import dns_objects
from ciliate.lab.paths import LabPaths
from ciliate.lab.state import LabState

#: First descriptor of sockets handed over (sd_listen_fds(3)).
_LISTEN_FDS_START: Final = 3


def apiserver_settings(paths: LabPaths, flags: Sequence[str]) -> ApiServerSettings:
    """Settings of the lab's API server, which was given these flags."""
    service_v4, *service_v6 = values_of(flags, "service-cluster-ip-range")
    (node_ports,) = values_of(flags, "service-node-port-range")
    return ApiServerSettings(
        data_dir=paths.apiserver,
        ca_file=paths.pki / "ca.crt",
        cert_file=paths.pki / "apiserver.crt",
        key_file=paths.pki / "apiserver.key",
        kubelet_sockets=str(paths.folder / "{node}" / "kubelet.sock"),
        advertise_url=topology.api_url(),
        service_cidr_v4=IPv4Network(service_v4),
        service_cidr_v6=IPv6Network(service_v6[0]) if service_v6 else None,
        service_node_ports=port_range("service-node-port-range", node_ports),
    )


def run_apiserver(argv: list[str]) -> int:
    """Be the API server of lab `argv[0]`, with flags behind; its sockets are descriptors 3 and up."""
    from ciliate.apiserver.server import serve  # noqa: PLC0415 - for this process alone.

    paths = LabPaths.of(argv[0])
    settings = apiserver_settings(paths, argv[1:])
    count = int(os.environ["LISTEN_FDS"])
    sockets = [socket.socket(fileno=_LISTEN_FDS_START + number) for number in range(count)]
    asyncio.run(serve(settings, sockets))
    return 0


async def create_objects(
    client: ApiClient, paths: LabPaths, state: LabState, ip_masq_agent: Mapping[str, Any]
) -> None:
    """Create the objects a cluster starts with; those that exist are left as they are."""
    config = _config(state)
    objects = manifests.cluster_objects(config=config, kubeconfig=str(paths.machine_kubeconfig))
    objects += manifests.kubeadm_objects(dual_stack=state.dual_stack)
    if ip_masq_agent:
        objects.append(manifests.ip_masq_agent(ip_masq_agent))
    await _create(client, objects)


async def create_dns(client: ApiClient, state: LabState) -> None:
    """Create the cluster's DNS, as `create_objects`; to be called when the nodes are ready.

    Before, both of its pods would go to the node that is ready first.
    """
    await create_missing(client, dns_objects(dual_stack=state.dual_stack))


async def create_parts(client: ApiClient, state: LabState) -> None:
    """Create Hubble's relay and page, where the lab has them, as `create_dns`."""
    for part in state.parts:
        await _create(client, manifests.PARTS[part](_config(state)))


async def create_monitoring(client: ApiClient, state: LabState) -> None:
    """Create Prometheus, as `create_dns`."""
    await _create(client, manifests.monitoring(_config(state)))


def _config(state: LabState) -> Mapping[str, str]:
    return manifests.cilium_config(dual_stack=state.dual_stack, changes=state.settings)


async def _create(client: ApiClient, objects: Iterable[manifests.Placed]) -> None:
    await create_missing(client, ((each.path, each.body) for each in objects))
