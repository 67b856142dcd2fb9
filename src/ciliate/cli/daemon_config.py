"""The text of `dbg config`: the agent's settings under the names Cilium gives them there.

Cilium prints its Go fields ("EnableIPv4 : true"); ours are the keys of cilium-config written the
same way, so that a line found here leads to the key that sets it. Pure.
"""

from collections.abc import Mapping
from typing import Final

from ciliate.api.agent import DaemonConfiguration, SettingValue

#: Parts of keys that are not written with one capital letter.
_ACRONYMS: Final = {
    "api": "API",
    "bpf": "BPF",
    "cidr": "CIDR",
    "cidrs": "CIDRs",
    "cni": "CNI",
    "crd": "CRD",
    "ct": "CT",
    "dns": "DNS",
    "gc": "GC",
    "id": "ID",
    "ip": "IP",
    "ipam": "IPAM",
    "ipv4": "IPv4",
    "ipv6": "IPv6",
    "k8s": "K8s",
    "mtu": "MTU",
    "nat": "NAT",
    "tcp": "TCP",
    "tls": "TLS",
}


def camel_case(key: str) -> str:
    """Return "EnableIPv4" for "enable-ipv4"."""
    return "".join(_ACRONYMS.get(part, part.capitalize()) for part in key.split("-"))


def render_configuration(configuration: DaemonConfiguration, *, read_only: bool) -> str:
    """Return the settings that may change while the agent runs, after all others if asked."""
    lines = []
    if read_only:
        status = configuration.status
        derived: dict[str, SettingValue] = {
            "datapath-mode": status.datapath_mode,
            "device-mtu": status.device_mtu,
            "route-mtu": status.route_mtu,
            "node-name": status.node_name,
        }
        lines += ["#### Read-only configurations ####"]
        lines += _rows({**derived, **status.daemon_configuration_map})
        lines += [""]
    lines += ["##### Read-write configurations #####"]
    lines += _rows(dict(configuration.spec.options))
    if not configuration.spec.options:
        lines += ["(none: settings change in the agents' ConfigMap and with a restart)"]
    return "\n".join(lines) + "\n"


def _rows(settings: Mapping[str, SettingValue]) -> list[str]:
    return sorted(f"{camel_case(key):<34}: {_text(value)}" for key, value in settings.items())


def _text(value: SettingValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(value) if isinstance(value, tuple) else str(value)
