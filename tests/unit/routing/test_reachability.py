"""`routing/reachability.py`: what the kernel answered about a node holds until it answers anew."""

import asyncio
from ipaddress import ip_address, ip_network

import pytest
from tests.unit.reconcile.memory_target import until
from tests.unit.routing.route_kernel import RouteKernel

from ciliate.net.address import IPAddress
from ciliate.routing.reachability import NodeReachability

W1, W2, W3 = (ip_address(f"192.168.10.10{number}") for number in (1, 2, 3))


class Asking:
    """Reachability of nodes on a kernel in memory, and the nodes whose answer changed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kernel = RouteKernel(monkeypatch)
        self.touched: list[set[IPAddress]] = []
        self.nodes = NodeReachability(
            self.kernel.as_rtnl, lambda ips: self.touched.append(set(ips))
        )

    def gateway_of(self, node_ip: IPAddress) -> str:
        """Return what the last answer about a node names as the gateway before it."""
        answer = self.nodes.answers[node_ip]
        assert answer is not None
        return str(answer.gateway or "")


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> Asking:
    return Asking(monkeypatch)


async def test_each_node_is_asked_about_once(asking: Asking) -> None:
    for _ in range(3):
        asking.nodes.watch([W1, W2])
        await asking.nodes.ask()

    assert sorted(asking.kernel.asked) == [str(W1), str(W2)]
    assert asking.touched == [{W1, W2}]


async def test_node_that_was_not_asked_about_has_no_answer(asking: Asking) -> None:
    asking.nodes.watch([W1])
    assert W1 not in asking.nodes.answers

    await asking.nodes.ask()

    assert asking.gateway_of(W1) == ""


async def test_node_without_a_route_is_answered_with_none(asking: Asking) -> None:
    asking.kernel.unreachable.add(str(W1))

    asking.nodes.watch([W1])
    await asking.nodes.ask()

    assert dict(asking.nodes.answers) == {W1: None}
    assert asking.touched == [{W1}], "there is something to know of it now"


async def test_old_answer_holds_until_the_new_one_is_there(asking: Asking) -> None:
    asking.nodes.watch([W1])
    await asking.nodes.ask()
    asking.kernel.gateways[str(W1)] = "192.168.10.200"

    asking.nodes.ask_anew()
    assert asking.gateway_of(W1) == ""
    held_while_asking: list[str] = []
    asking.kernel.while_asking = lambda: held_while_asking.append(asking.gateway_of(W1))
    await asking.nodes.ask()

    assert held_while_asking == [""]
    assert asking.gateway_of(W1) == "192.168.10.200"


async def test_those_that_are_reached_otherwise_are_named_and_no_others(asking: Asking) -> None:
    asking.nodes.watch([W1, W2, W3])
    await asking.nodes.ask()
    asking.touched.clear()
    asking.kernel.gateways[str(W1)] = "192.168.10.200"
    asking.kernel.unreachable.add(str(W2))

    asking.nodes.ask_anew()
    await asking.nodes.ask()
    assert len(asking.kernel.asked) == 6
    assert asking.touched == [{W1, W2}]

    asking.nodes.ask_anew()
    await asking.nodes.ask()
    assert asking.touched == [{W1, W2}]


async def test_nodes_that_come_while_the_kernel_is_asked_are_asked_about_too(
    asking: Asking,
) -> None:
    coming = [W3, W2]

    def next_comes() -> None:
        if coming:
            asking.nodes.watch([coming.pop()])

    asking.kernel.while_asking = next_comes
    asking.nodes.watch([W1])
    await asking.nodes.ask()

    assert set(asking.nodes.answers) == {W1, W2, W3}
    assert asking.touched == [{W1, W2, W3}]


async def test_change_while_the_kernel_is_asked_is_asked_about_again(asking: Asking) -> None:
    """The answer under way may be of before the change."""
    asking.nodes.watch([W1])
    await asking.nodes.ask()

    def changes_once() -> None:
        asking.kernel.while_asking = lambda: None
        asking.nodes.ask_anew()

    asking.kernel.while_asking = changes_once
    asking.nodes.ask_anew()
    await asking.nodes.ask()

    assert asking.kernel.asked == [str(W1)] * 3


async def test_task_asks_whenever_there_is_something_to_ask(asking: Asking) -> None:
    task = asyncio.create_task(asking.nodes.run())
    try:
        asking.nodes.watch([W1])
        await until(lambda: asking.touched == [{W1}])
        asking.nodes.watch([W2])
        await until(lambda: asking.touched == [{W1}, {W2}])
        asking.kernel.unreachable.add(str(W1))
        asking.nodes.ask_anew()
        await until(lambda: asking.touched == [{W1}, {W2}, {W1}])
    finally:
        task.cancel()

    assert sorted(asking.kernel.asked) == [str(W1)] * 2 + [str(W2)] * 2


async def test_only_addresses_of_a_prefix_are_asked_about_again(asking: Asking) -> None:
    asking.nodes.watch([W1, W2, ip_address("172.31.0.9")])
    await asking.nodes.ask()
    asking.kernel.asked.clear()

    asking.nodes.ask_within(ip_network("192.168.10.0/24"))
    await asking.nodes.ask()

    assert sorted(asking.kernel.asked) == [str(W1), str(W2)]
    assert asking.nodes.has_asked_within(ip_network("172.31.0.0/16"))
    assert not asking.nodes.has_asked_within(ip_network("10.244.0.0/16"))


async def test_address_that_is_known_no_more_is_forgotten(asking: Asking) -> None:
    asking.nodes.watch([W1, W2])
    await asking.nodes.ask()

    asking.nodes.keep({W2})

    assert set(asking.nodes.answers) == {W2}
    assert not asking.nodes.has_asked_within(ip_network(f"{W1}/32"))
