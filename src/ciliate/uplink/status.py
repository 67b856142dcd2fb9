"""The node's devices in `dbg status`: what the agent answers, and how it is printed. Pure.

Cilium shows them in the line of its kube-proxy replacement.
"""

from collections.abc import Iterator
from typing import Literal

from msgspec import field

from ciliate.api.agent import AgentModel


class DeviceModel(AgentModel, frozen=True, kw_only=True):
    """A node device that runs our programs, with its addresses."""

    name: str
    ip: tuple[str, ...] = ()


class KubeProxyReplacement(AgentModel, frozen=True, kw_only=True):
    """The kube-proxy replacement, and with it the node devices (Cilium keeps them here)."""

    mode: Literal["True", "False"]
    devices: tuple[str, ...] = ()
    device_list: tuple[DeviceModel, ...] = field(default=(), name="deviceList")
    direct_routing_device: str = field(default="", name="directRoutingDevice")
    #: "NAME: why", of each device that our programs cannot read. Cilium has no such field.
    unsupported_devices: tuple[str, ...] = field(default=(), name="unsupportedDevices")


def lines(replacement: KubeProxyReplacement) -> Iterator[str]:
    """Yield the line."""
    if replacement.mode == "False" or not replacement.device_list:
        yield f"KubeProxyReplacement:\t{replacement.mode}\t"
        return
    # Cilium sets four blanks behind the first device's name and three behind the others'.
    devices = ", ".join(
        f"{device.name}{'   ' if place else '    '}{' '.join(device.ip)}"
        + (" (Direct Routing)" if device.name == replacement.direct_routing_device else "")
        for place, device in enumerate(replacement.device_list)
    )
    yield f"KubeProxyReplacement:\t{replacement.mode}\t[{devices}]"


def detail_lines(replacement: KubeProxyReplacement) -> Iterator[str]:
    """Yield what `--verbose` adds."""
    yield "KubeProxyReplacement Details:"
    yield f"  Status:\t{replacement.mode}"
    names = ", ".join(device.name for device in replacement.device_list)
    yield f"  Devices:\t{names}"
    if replacement.direct_routing_device:
        yield f"  Direct Routing Device:\t{replacement.direct_routing_device}"
    for device in replacement.unsupported_devices:
        yield f"  Unsupported Device:\t{device}"
