"""The Masquerading line of `dbg status`: what the agent answers, and how it is printed. Pure."""

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import field

from ciliate.api.agent import AgentModel


class MasqueradedFamilies(AgentModel, frozen=True, kw_only=True):
    """The families whose packets get the node's address when they leave the cluster."""

    ipv4: bool = False
    ipv6: bool = False


class Masquerading(AgentModel, frozen=True, kw_only=True):
    """Masquerading as it is in force; the devices are those of `KubeProxyReplacement`."""

    mode: Literal["BPF", "iptables"]
    enabled: bool = False
    enabled_protocols: MasqueradedFamilies = field(
        default_factory=MasqueradedFamilies, name="enabledProtocols"
    )
    ip_masq_agent: bool = False
    snat_exclusion_cidr_v4: str = field(default="", name="snat-exclusion-cidr-v4")
    snat_exclusion_cidr_v6: str = field(default="", name="snat-exclusion-cidr-v6")


def lines(state: Masquerading, devices: Sequence[str] | None) -> Iterator[str]:
    """Yield the line."""
    yield f"Masquerading:\t{describe(state, devices)}"


def describe(state: Masquerading, devices: Sequence[str] | None) -> str:
    """Return the value of the Masquerading line, in Cilium's form.

    Devices and prefixes stand in it only where the kube-proxy replacement reports devices: that
    is where Cilium keeps them. Two blanks follow an IPv4 prefix that has no IPv6 one beside it.
    """
    families = state.enabled_protocols
    if not (families.ipv4 or families.ipv6):
        return "Disabled"
    text = "BPF" if state.mode == "BPF" else "IPTables"
    if state.ip_masq_agent:
        text += " (ip-masq-agent)"
    if state.mode == "BPF" and devices is not None:
        text += f"\t[{', '.join(devices)}]\t{state.snat_exclusion_cidr_v4} {state.snat_exclusion_cidr_v6}"
    return f"{text} [IPv4: {_on(families.ipv4)}, IPv6: {_on(families.ipv6)}]"


def _on(enabled: bool) -> str:  # noqa: FBT001 - one argument: nothing to confuse it with.
    return "Enabled" if enabled else "Disabled"
