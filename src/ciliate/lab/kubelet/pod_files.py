"""What a pod's containers find around them: /etc files, volumes. Pure.

Texts are kubelet's own, so that what people compare looks the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ciliate.lab.container.spec import Propagation
from ciliate.lab.kubelet.sandbox import PodFiles, VolumeMount
from ciliate.lab.objects import Container, Pod

#: Data of the ConfigMaps a pod names, by their name.
ConfigData = Mapping[str, Mapping[str, str]]

HOSTNAME_LENGTH_MAX: Final = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterNames:
    """How pods find names: the cluster's domain and its DNS servers."""

    domain: str = "cluster.local"
    dns_servers: tuple[str, ...] = ("10.96.0.10",)


def hostname_of(pod: Pod, node_hostname: str) -> str:
    """Return the pod's hostname: its node's on the host's network, else spec.hostname, else its name."""
    if pod.spec.host_network:
        return node_hostname
    return (pod.spec.hostname or pod.metadata.name)[:HOSTNAME_LENGTH_MAX].rstrip("-.")


def etc_files(pod: Pod, ips: tuple[str, ...], names: ClusterNames) -> PodFiles:
    """Return the pod's /etc/hosts, /etc/resolv.conf and /etc/hostname."""
    hostname = hostname_of(pod, "")
    return PodFiles(
        hosts=_hosts(pod, hostname, ips, names),
        resolv_conf=_resolv_conf(pod, names),
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


def _resolv_conf(pod: Pod, names: ClusterNames) -> str:
    if pod.spec.dns_policy == "None":
        return ""
    search = f"{pod.metadata.namespace}.svc.{names.domain} svc.{names.domain} {names.domain}"
    servers = "".join(f"nameserver {server}\n" for server in names.dns_servers)
    return f"search {search}\n{servers}options ndots:5\n"


def config_names(pod: Pod) -> set[str]:
    """Return the names of the ConfigMaps that the pod's volumes use."""
    return {
        str(volume["configMap"].get("name", ""))
        for volume in pod.spec.volumes
        if volume.get("configMap")
    }


def volume_mounts(pod: Pod, container: Container, config: ConfigData) -> tuple[VolumeMount, ...]:
    """Return what to mount in one of the pod's containers.

    Kinds: hostPath, emptyDir, configMap. Others are not shown: nothing in the lab has them.
    """
    volumes = {str(volume.get("name")): volume for volume in pod.spec.volumes}
    mounts: dict[str, VolumeMount] = {}
    for mount in container.volume_mounts:
        volume = volumes.get(mount.name)
        if volume is None or mount.mount_path in mounts:
            continue
        found = _volume_mount(
            mount.name, volume, config, mount_path=mount.mount_path, read_only=mount.read_only
        )
        if found is not None:
            mounts[mount.mount_path] = replace(
                found,
                sub_path=mount.sub_path,
                propagation=Propagation(mount.mount_propagation),
            )
    return tuple(mounts.values())


def _volume_mount(
    name: str,
    volume: Mapping[str, Any],
    config: ConfigData,
    *,
    mount_path: str,
    read_only: bool,
) -> VolumeMount | None:
    if host_path := volume.get("hostPath"):
        return VolumeMount(
            volume=name,
            mount_path=mount_path,
            host_path=str(host_path["path"]),
            host_path_type=str(host_path.get("type") or ""),
            read_only=read_only,
        )
    if config_map := volume.get("configMap"):
        files = config.get(str(config_map.get("name")), {})
        items = config_map.get("items") or []
        chosen = {i["path"]: files[i["key"]] for i in items if i["key"] in files} or files
        return VolumeMount(volume=name, mount_path=mount_path, files=chosen, read_only=read_only)
    if "emptyDir" in volume:
        return VolumeMount(volume=name, mount_path=mount_path, read_only=read_only)
    return None
