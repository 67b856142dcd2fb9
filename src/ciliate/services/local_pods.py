"""hostPorts of this node's pods, as the API says. Pure."""

from collections.abc import Iterable, Iterator

from ciliate.api.core import Pod
from ciliate.net.address import ip_address, to_octets
from ciliate.net.protocol import TCP, UDP
from ciliate.services.model import HostPort, ServiceKey

_PROTOCOLS = {"TCP": TCP, "UDP": UDP}


def host_ports_of(pods: Iterable[Pod]) -> Iterator[HostPort]:
    """Yield the hostPorts of pods that run and have addresses of their own."""
    for pod in pods:
        if pod.spec.host_network or pod.status.has_ended or not pod.status.pod_ips:
            continue
        addresses = tuple(to_octets(ip_address(each.ip)) for each in pod.status.pod_ips)
        for port in (port for each in pod.spec.containers for port in each.ports):
            protocol = _PROTOCOLS.get(port.protocol)
            if not port.host_port or protocol is None:
                continue
            yield HostPort(
                pod=ServiceKey(pod.metadata.namespace, pod.metadata.name),
                uid=pod.metadata.uid,
                created=pod.metadata.creation_timestamp or "",
                protocol=protocol,
                port=port.host_port,
                container_port=port.container_port,
                addresses=addresses,
                host_ip=_host_ip(port.host_ip),
            )


def _host_ip(text: str) -> bytes:
    found = ip_address(text) if text else None
    return b"" if found is None or found.is_unspecified else to_octets(found)
