"""Settings of the embedded API server, parsed once when the process starts."""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final

from ciliate.errors import SettingError

_PORT_MAX: Final = 65535


@dataclass(frozen=True, slots=True)
class ApiServerSettings:
    """One server: where it stores, how it proves itself, where its kubelets are."""

    #: Directory of the SQLite files; made when absent (0700).
    data_dir: Path
    #: PEM of the authority that signs client certificates; a client without one needs a token.
    ca_file: Path
    #: PEM of the server's certificate and its key.
    cert_file: Path
    key_file: Path
    #: Path of a node's kubelet socket, `{node}` stands for the node's name.
    kubelet_sockets: str
    #: Where clients in the cluster reach the server, "https://192.168.10.100:6443": becomes the
    #: endpoints of Service default/kubernetes. Empty, or on loopback: that Service has none.
    advertise_url: str = ""
    #: YAML files of CustomResourceDefinitions to create (or bring up to date) before serving.
    crd_files: tuple[Path, ...] = ()
    #: Where ClusterIPs come from; the IPv4 range is first in a dual-stack Service.
    service_cidr_v4: IPv4Network = field(default_factory=lambda: IPv4Network("10.96.0.0/16"))
    #: None: single-stack. Kubernetes' own limit for IPv6 service ranges is a /108.
    service_cidr_v6: IPv6Network | None = None
    #: Where node ports come from (kube-apiserver's --service-node-port-range).
    service_node_ports: range = range(30000, 32768)
    #: What /version answers: the walk-through's Kubernetes.
    kubernetes_version: str = "v1.33.2"
    #: Events kept for watches of each resource; beyond it the oldest go (410 Gone).
    history_entries_max: int = 20_000
    #: The same bound in octets of stored objects, per resource.
    history_bytes_max: int = 48 * 1024 * 1024
    #: Seconds between two bookmarks of an otherwise idle watch, as kube-apiserver.
    bookmark_interval_s: float = 60.0


def port_range(key: str, text: str) -> range:
    """Return the ports of FIRST-LAST.

    Raises:
        SettingError: It is none.
    """
    first, _, last = text.partition("-")
    if first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last) <= _PORT_MAX:
        return range(int(first), int(last) + 1)
    raise SettingError(
        key=key,
        value=text,
        problem="is no range of ports",
        remedy=f"give FIRST-LAST, within 1 and {_PORT_MAX}",
    )
