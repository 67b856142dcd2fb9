"""The Masquerading line against those of real clusters (Cilium 1.17.6)."""

from collections.abc import Sequence

import pytest

from ciliate.masquerade.status import MasqueradedFamilies, Masquerading, describe, lines

DEVICES = ("eth0", "eth1")
BPF = Masquerading(
    mode="BPF",
    enabled=True,
    enabled_protocols=MasqueradedFamilies(ipv4=True),
    snat_exclusion_cidr_v4="172.20.0.0/16",
)


@pytest.mark.parametrize(
    ("state", "devices", "text"),
    [
        (BPF, DEVICES, "BPF\t[eth0, eth1]\t172.20.0.0/16  [IPv4: Enabled, IPv6: Disabled]"),
        (
            Masquerading(
                mode="BPF",
                enabled=True,
                ip_masq_agent=True,
                enabled_protocols=MasqueradedFamilies(ipv4=True),
                snat_exclusion_cidr_v4="172.20.0.0/16",
            ),
            DEVICES,
            "BPF (ip-masq-agent)\t[eth0, eth1]\t172.20.0.0/16  [IPv4: Enabled, IPv6: Disabled]",
        ),
        (
            Masquerading(
                mode="BPF",
                enabled=True,
                enabled_protocols=MasqueradedFamilies(ipv6=True),
                snat_exclusion_cidr_v6="fd00::/10",
            ),
            (),
            "BPF\t[]\t fd00::/10 [IPv4: Disabled, IPv6: Enabled]",
        ),
        (BPF, None, "BPF [IPv4: Enabled, IPv6: Disabled]"),
        (
            Masquerading(
                mode="iptables",
                enabled=True,
                enabled_protocols=MasqueradedFamilies(ipv4=True, ipv6=True),
            ),
            DEVICES,
            "IPTables [IPv4: Enabled, IPv6: Enabled]",
        ),
        (
            Masquerading(
                mode="iptables",
                enabled=True,
                ip_masq_agent=True,
                enabled_protocols=MasqueradedFamilies(ipv4=True),
            ),
            DEVICES,
            "IPTables (ip-masq-agent) [IPv4: Enabled, IPv6: Disabled]",
        ),
        (Masquerading(mode="BPF"), DEVICES, "Disabled"),
    ],
)
def test_masquerading_line(state: Masquerading, devices: Sequence[str] | None, text: str) -> None:
    assert describe(state, devices) == text


def test_line_begins_with_its_name() -> None:
    (line,) = lines(BPF, DEVICES)

    assert line == f"Masquerading:\t{describe(BPF, DEVICES)}"
