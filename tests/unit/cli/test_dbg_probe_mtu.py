"""`cilium-dbg probe-mtu`: addresses that no probe goes to."""

import pytest
from click.testing import CliRunner

from ciliate.cli.dbg_probe_mtu import TARGETS_MAX, command


@pytest.mark.parametrize(
    "address",
    [
        "k8s-w1",
        "127.0.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
        "::1",
        "ff02::1",
        "fe80::1",
    ],
)
def test_what_is_no_nodes_address_is_refused_by_name(address: str) -> None:
    done = CliRunner().invoke(command, [address])

    assert done.exit_code == 2
    assert address in done.output


def test_too_many_targets_are_refused_with_their_number() -> None:
    many = [f"10.0.{number // 250}.{number % 250 + 1}" for number in range(TARGETS_MAX + 1)]

    done = CliRunner().invoke(command, many)

    assert done.exit_code == 2
    assert "257 addresses: give 256 at most" in done.output
