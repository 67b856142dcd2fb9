"""CHECK of a pod's interface names what somebody took from it, on either end."""

import pytest
from tests.netlink.conftest import pod_link
from tests.netlink.kernel import ip, run

from ciliate.netlink.errors import PodLinkMismatchError
from ciliate.netlink.pod import PodLinks


async def test_check_names_what_is_missing(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    link = pod_link(pods[0], 2, accept)
    await links.create(link)
    await links.check(link.interface)

    ip(pods[0], "addr", "add", "10.66.0.1/32", "dev", "eth0")
    with pytest.raises(PodLinkMismatchError, match=r"has the foreign address 10\.66\.0\.1"):
        await links.check(link.interface)
    ip(pods[0], "addr", "del", "10.66.0.1/32", "dev", "eth0")
    await links.check(link.interface)

    ip(node, "route", "del", "10.9.0.2")
    with pytest.raises(
        PodLinkMismatchError, match=r"node's route to 10\.9\.0\.2 does not lead to"
    ):
        await links.check(link.interface)

    ip(pods[0], "addr", "del", "10.9.0.2/32", "dev", "eth0")
    with pytest.raises(PodLinkMismatchError, match=r"eth0 lacks 10\.9\.0\.2"):
        await links.check(link.interface)

    ip(node, "link", "set", link.interface.host_name, "down")
    with pytest.raises(PodLinkMismatchError, match="is down"):
        await links.check(link.interface)

    ip(node, "link", "del", link.interface.host_name)
    with pytest.raises(PodLinkMismatchError, match="is missing"):
        await links.check(link.interface)


@pytest.mark.parametrize(
    ("route", "said"),
    [
        (("-4", "default"), r"0\.0\.0\.0/0 via 10\.9\.0\.1 dev eth0 is lost"),
        (("-6", "default"), r"::/0 via fd00:9::1 dev eth0 is lost"),
        (("-6", "fd00:9::1"), r"fd00:9::1/128 dev eth0 is lost"),
    ],
)
async def test_check_names_the_route_that_a_pod_lost(
    links: PodLinks, pods: list[str], accept: int, route: tuple[str, str], said: str
) -> None:
    link = pod_link(pods[0], 2, accept, ipv6=True)
    await links.create(link)
    await links.check(link.interface)

    family, destination = route
    ip(pods[0], family, "route", "del", destination, "dev", "eth0")

    with pytest.raises(PodLinkMismatchError, match=said):
        await links.check(link.interface)


async def test_check_names_the_program_that_does_not_run(
    links: PodLinks, node: str, pods: list[str], accept: int
) -> None:
    link = pod_link(pods[0], 2, accept)
    await links.create(link)

    run(
        "nsenter", f"--net={node}", "tc", "qdisc", "del", "dev", link.interface.host_name, "clsact"
    )

    with pytest.raises(PodLinkMismatchError, match="from_pod does not run on"):
        await links.check(link.interface)
