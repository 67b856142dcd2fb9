"""NodePorts among the ephemeral ports of a real namespace: reserved, or refused."""

import os
from collections.abc import AsyncIterator

import pytest
from tests.netlink.kernel import ip, run

from ciliate.config.service_settings import NodePortSettings
from ciliate.errors import SettingError
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.sysctl import LIST_BYTES_MAX, read_sysctl
from ciliate.reconcile.reconciler import Reconciler
from ciliate.services.node_port_range import NodePortRangeTarget

EPHEMERAL = "net.ipv4.ip_local_port_range"
RESERVED = "net.ipv4.ip_local_reserved_ports"


@pytest.fixture
async def rtnl(node: str) -> AsyncIterator[Rtnetlink]:
    async with Rtnetlink.open(node) as opened:
        yield opened


def settings(first: int, last: int, *, reserves: bool = True) -> NodePortSettings:
    return NodePortSettings(
        enabled=True,
        first=first,
        last=last,
        remote_is_outside=False,
        addresses=(),
        reserves_range=reserves,
        protects_binds=True,
        answers_health_checks=True,
    )


def set_value(netns: str, name: str, value: str) -> None:
    run("nsenter", f"--net={netns}", "sysctl", "-qw", f"{name}={value}")


async def reserved(rtnl: Rtnetlink) -> str:
    return await rtnl.run(lambda _channel: read_sysctl(RESERVED, bytes_max=LIST_BYTES_MAX))


async def reconcile(rtnl: Rtnetlink, wanted: NodePortSettings) -> str:
    """Run the target once; return what failed, if anything did."""
    target = NodePortRangeTarget(rtnl, wanted)
    sync = Reconciler(target, target.desired)
    await sync.run_once()
    return sync.status.last_failure


@pytest.mark.parametrize("ports", [(30000, 32767), (61000, 64000)])
async def test_range_beside_the_ephemeral_ports_needs_nothing(
    rtnl: Rtnetlink, node: str, ports: tuple[int, int]
) -> None:
    set_value(node, EPHEMERAL, "32768 60999")

    assert not await reconcile(rtnl, settings(*ports))
    await NodePortRangeTarget(rtnl, settings(*ports, reserves=False)).check()

    assert not await reserved(rtnl)


async def test_range_among_the_ephemeral_ports_is_reserved_beside_what_others_reserve(
    rtnl: Rtnetlink, node: str
) -> None:
    set_value(node, EPHEMERAL, "1024 65535")
    set_value(node, RESERVED, "8080,9000-9010")

    assert not await reconcile(rtnl, settings(30000, 32767))

    assert await reserved(rtnl) == "8080,9000-9010,30000-32767"


async def test_range_is_reserved_again_when_somebody_takes_it_out(
    rtnl: Rtnetlink, node: str
) -> None:
    set_value(node, EPHEMERAL, "30001 60999")
    await reconcile(rtnl, settings(30000, 32767))
    set_value(node, RESERVED, "8080")

    assert not await reconcile(rtnl, settings(30000, 32767))

    assert await reserved(rtnl) == "8080,30000-32767"


async def test_what_an_administrator_reserved_is_enough_where_it_holds_the_range(
    rtnl: Rtnetlink, node: str
) -> None:
    set_value(node, EPHEMERAL, "31000 60999")
    set_value(node, RESERVED, "31000-31999,32000-40000")

    await NodePortRangeTarget(rtnl, settings(30000, 32767, reserves=False)).check()
    assert not await reconcile(rtnl, settings(30000, 32767))

    assert await reserved(rtnl) == "31000-40000"


async def test_overlap_is_refused_where_the_range_is_not_to_be_reserved(
    rtnl: Rtnetlink, node: str
) -> None:
    set_value(node, EPHEMERAL, "32768 60999")
    wanted = settings(30000, 60999, reserves=False)

    with pytest.raises(SettingError, match="node-port-range: '30000,60999' overlaps") as caught:
        await NodePortRangeTarget(rtnl, wanted).check()

    assert "32768-60999" in str(caught.value)
    assert "enable-auto-protect-node-port-range" in caught.value.remedy
    assert "overlaps" in await reconcile(rtnl, wanted)
    assert not await reserved(rtnl)


async def test_no_connection_gets_a_node_port_of_either_family(rtnl: Rtnetlink, node: str) -> None:
    """Of four ephemeral ports two are NodePorts: only the other two are given."""
    set_value(node, EPHEMERAL, "40000 40003")
    await reconcile(rtnl, settings(40001, 40002))
    script = (
        "import socket\n"
        "for family, host in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1')):\n"
        "    kept = []\n"
        "    for _ in range(2):\n"
        "        one = socket.socket(family, socket.SOCK_DGRAM); one.bind((host, 0))\n"
        "        kept.append(one); print(one.getsockname()[1])\n"
        "    try: socket.socket(family, socket.SOCK_DGRAM).bind((host, 0)); print('third')\n"
        "    except OSError: pass\n"
    )
    ip(node, "link", "set", "lo", "up")

    given = run("nsenter", f"--net={node}", "python3", "-c", script).split()

    assert sorted(given) == ["40000", "40000", "40003", "40003"]


async def test_list_longer_than_a_page_is_read_whole(rtnl: Rtnetlink, node: str) -> None:
    """A list that is cut would lack the range, which then would be added again for ever."""
    set_value(node, EPHEMERAL, "1024 65535")
    for start in (1, 2001, 4001):
        ports = ",".join(str(port) for port in range(start, start + 1400, 2))
        await rtnl.run(lambda _channel, ports=ports: _add(ports))  # type: ignore[misc]

    assert not await reconcile(rtnl, settings(30000, 32767))

    found = await reserved(rtnl)
    assert len(found) > 8192
    assert found.endswith(",30000-32767")
    target = NodePortRangeTarget(rtnl, settings(30000, 32767))
    assert await target.observe() == target.desired()


def _add(ports: str) -> None:
    descriptor = os.open("/proc/sys/net/ipv4/ip_local_reserved_ports", os.O_WRONLY)
    os.pwrite(descriptor, ports.encode(), 1)
    os.close(descriptor)
