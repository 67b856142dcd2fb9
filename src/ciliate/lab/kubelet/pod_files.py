"""What a pod's containers find around them: /etc files, volumes. Pure.

Texts are kubelet's own, so that what people compare looks the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ciliate.lab.container.spec import Propagation
from ciliate.lab.kubelet.environment import expand_all
from ciliate.lab.kubelet.resolver import ResolverSettings
from ciliate.lab.kubelet.sandbox import PodFiles, VolumeMount
from ciliate.lab.kubelet.volumes import is_made
from ciliate.lab.objects import Container, Pod

HOSTNAME_LENGTH_MAX: Final = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterNames:
    """How pods find others: the cluster's domain, its DNS servers."""

    domain: str = "cluster.local"
    dns_servers: tuple[str, ...] = ("10.96.0.10",)


def hostname_of(pod: Pod, node_hostname: str) -> str:
    """Return the pod's hostname: its node's on the host's network, else spec.hostname, else its name."""
    if pod.spec.host_network:
        return node_hostname
    return (pod.spec.hostname or pod.metadata.name)[:HOSTNAME_LENGTH_MAX].rstrip("-.")


def etc_files(
    pod: Pod, ips: tuple[str, ...], names: ClusterNames, resolver: ResolverSettings
) -> PodFiles:
    """Return the pod's /etc/hosts, /etc/resolv.conf and /etc/hostname."""
    hostname = hostname_of(pod, "")
    return PodFiles(
        hosts=_hosts(pod, hostname, ips, names),
        resolv_conf=resolver.rendered(),
        hostname=hostname,
    )


def _hosts(pod: Pod, hostname: str, ips: tuple[str, ...], names: ClusterNames) -> str:
    own = hostname
    if pod.spec.subdomain:
        full = f"{hostname}.{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{names.domain}"
        own = f"{full}\t{hostname}"
    lines = [
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::0\tip6-localnet",
        "fe00::0\tip6-mcastprefix",
        "fe00::1\tip6-allnodes",
        "fe00::2\tip6-allrouters",
        *(f"{ip}\t{own}" for ip in ips),
    ]
    if pod.spec.host_aliases:
        lines += ["", "# Entries added by HostAliases."]
        for alias in pod.spec.host_aliases:
            lines.append("\t".join([alias.get("ip", ""), *alias.get("hostnames", [])]))
    return "\n".join(lines) + "\n"


def volume_mounts(
    pod: Pod, container: Container, variables: Mapping[str, str]
) -> tuple[VolumeMount, ...]:
    """Return what to mount in one of the pod's containers.

    Raises:
        ContainerConfigError: A subPathExpr names a variable that is not there.
    """
    volumes = {str(volume.get("name")): volume for volume in pod.spec.volumes}
    mounts: dict[str, VolumeMount] = {}
    for mount in container.volume_mounts:
        volume = volumes.get(mount.name)
        if volume is None or mount.mount_path in mounts:
            continue
        host_path = volume.get("hostPath")
        mounts[mount.mount_path] = VolumeMount(
            volume=mount.name,
            mount_path=mount.mount_path,
            host_path=str(host_path["path"]) if host_path else None,
            host_path_type=str(host_path.get("type") or "") if host_path else "",
            read_only=mount.read_only or is_made(volume),
            sub_path=expand_all(mount.sub_path_expr, variables) or mount.sub_path,
            propagation=Propagation(mount.mount_propagation),
        )
    return tuple(mounts.values())
