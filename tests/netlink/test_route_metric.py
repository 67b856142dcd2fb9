"""Routes to other nodes under a metric: one of another metric goes behind the new one, whoever was killed."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from tests.netlink.kernel import ip

from ciliate.net.address import IPNetwork
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.links import observe_links
from ciliate.routing.plan import NextHop, with_metric
from ciliate.routing.target import Owners, RouteTarget
from ciliate.routing.written_routes import WrittenRoutes

CIDRS = [
    pytest.param("10.244.1.0/24", "192.168.10.101", id="IPv4"),
    pytest.param("fd00:244:1::/64", "fd00:10::101", id="IPv6"),
]


class Agent:
    """The target of an agent that keeps its notes in a folder."""

    def __init__(self, rtnl: Rtnetlink, folder: Path, node: str, link_index: int) -> None:
        self.node = node
        self._link_index = link_index
        written = WrittenRoutes(folder / "routes.json")
        written.load()
        owners = Owners(
            is_own_pod=lambda _destination: False,
            is_node=lambda _address: False,
            is_router_link=lambda _index: False,
            inherits=False,
        )
        self.target = RouteTarget(rtnl, written, owners, observed=lambda _found: None)

    def hop(self, gateway: str, metric: int) -> NextHop:
        address = ip_address(gateway)
        return with_metric(NextHop(self._link_index, address), metric, address.version)

    async def observe(self, cidr: str) -> object:
        return (await self.target.observe()).get(ip_network(cidr))

    async def put(self, cidr: str, hop: NextHop) -> None:
        entries: dict[IPNetwork, NextHop] = {ip_network(cidr): hop}
        assert dict(await self.target.put(entries)) == {}

    def metrics(self, cidr: str) -> list[str]:
        """The metrics of the routes that stand, as `ip route` prints them; empty: none is printed."""
        family = "-6" if ":" in cidr else "-4"
        lines = ip(self.node, family, "route", "show", cidr).splitlines()
        return [line.partition("metric ")[2].partition(" ")[0] for line in lines]


@pytest.fixture
async def agents(rtnl: Rtnetlink, node: str, tmp_path: Path) -> list[Agent]:
    links = {link.name: link.index for link in await observe_links(rtnl)}
    # One after the other, as agents follow each other on a node.
    return [Agent(rtnl, tmp_path, node, links["eth1"]) for _ in range(3)]


@pytest.mark.parametrize(("cidr", "gateway"), CIDRS)
async def test_route_is_moved_to_another_metric_and_back(
    agents: list[Agent], cidr: str, gateway: str
) -> None:
    agent = agents[0]
    plain = "1024" if ":" in cidr else ""
    for metric, shown in ((0, plain), (50, "50"), (2000, "2000"), (0, plain)):
        wanted = agent.hop(gateway, metric)
        await agent.target.observe()
        await agent.put(cidr, wanted)

        assert agent.metrics(cidr) == [shown]
        assert await agent.observe(cidr) == wanted


@pytest.mark.parametrize(("cidr", "gateway"), CIDRS)
async def test_agent_that_was_killed_between_leaves_no_twin_behind(
    agents: list[Agent], cidr: str, gateway: str
) -> None:
    former, killed, _ = agents
    await former.observe(cidr)
    await former.put(cidr, former.hop(gateway, 50))
    killed.target._written.load()
    # It wrote the new one, without knowing of the former.
    await killed.put(cidr, killed.hop(gateway, 60))
    assert killed.metrics(cidr) == ["50", "60"]
    successor = agents[2]
    successor.target._written.load()

    wanted = successor.hop(gateway, 60)
    assert await successor.observe(cidr) != wanted, "it is to be put, or the twin stays"
    await successor.put(cidr, wanted)

    assert successor.metrics(cidr) == ["60"]
    assert await successor.observe(cidr) == wanted


@pytest.mark.parametrize(("cidr", "gateway"), CIDRS)
async def test_both_twins_go_with_the_node(agents: list[Agent], cidr: str, gateway: str) -> None:
    agent = agents[0]
    await agent.put(cidr, agent.hop(gateway, 50))
    await agent.put(cidr, agent.hop(gateway, 60))
    await agent.target.observe()

    await agent.target.remove([ip_network(cidr)])

    assert agent.metrics(cidr) == []


@pytest.mark.parametrize(("cidr", "gateway"), CIDRS)
async def test_route_of_others_under_another_metric_is_left_alone(
    agents: list[Agent], cidr: str, gateway: str
) -> None:
    agent = agents[0]
    ip(agent.node, "route", "add", cidr, "via", gateway, "dev", "eth1", "metric", "77")
    await agent.target.observe()

    failures = await agent.target.put({ip_network(cidr): agent.hop(gateway, 50)})

    assert list(failures) == [ip_network(cidr)]
    assert agent.metrics(cidr) == ["77"]
