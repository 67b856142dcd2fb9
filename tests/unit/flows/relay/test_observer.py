"""`flows/relay/observer.py`, `gathering.py`: what all nodes saw, as one, whatever becomes of them."""

import asyncio
import contextlib
import gc
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from tests.unit.flows.relay.relay_nodes import RELAY, Relayed, relayed, sent_at
from tests.unit.flows.server.flow_clients import soon, until
from tests.unit.flows.server.sample_records import (
    EPOCH_OFFSET_NS,
    NOW_NS,
    SECOND_NS,
    WORLD,
    loss,
    packet,
)

from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.pb.relay import relay_pb2
from ciliate.flows.relay.peers import Peer

BAD = flow_pb2.FlowFilter(protocol=["foo"])


def moment(second: int) -> Timestamp:
    return Timestamp(seconds=(NOW_NS + EPOCH_OFFSET_NS) // SECOND_NS + second)


async def refusal(answer: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await soon(answer)
    return refused.value.code(), refused.value.details() or ""


async def test_flows_of_all_nodes_come_in_the_order_of_time_behind_who_answers(
    tmp_path: Path,
) -> None:
    async with relayed(tmp_path) as bench:
        await bench.add("one", *map(sent_at, (0, 3, 4)))
        await bench.add("two", *map(sent_at, (1, 2, 6)))
        await bench.add("three", sent_at(5))
        await bench.add("gone", serves=False)

        found = await bench.flows(number=100)

    assert found == [
        "CONNECTED one three two",
        "UNAVAILABLE gone",
        *("one 0", "two 1", "two 2", "one 3", "one 4", "three 5", "two 6"),
    ]


async def test_who_answers_is_told_by_the_relay_itself(tmp_path: Path) -> None:
    async with relayed(tmp_path, ["one"]) as bench:
        asked = observer_pb2.GetFlowsRequest()
        [first] = [answer async for answer in bench.calls.GetFlows(asked)]

    assert first.node_name == RELAY
    assert first.node_status.state_change == relay_pb2.NODE_CONNECTED


async def test_version_stands_in_the_header(tmp_path: Path) -> None:
    async with relayed(tmp_path) as bench:
        call = bench.calls.ServerStatus(observer_pb2.ServerStatusRequest())
        header = dict(await soon(call.initial_metadata()))

    assert header["hubble-relay-version"] == "1.17.6"


@pytest.mark.parametrize(
    ("asked", "flows"),
    [
        ({"number": 2}, ["two 4", "one 5", "two 6", "one 7"]),
        ({"number": 2, "first": True}, ["two 0", "one 1", "two 2", "one 3"]),
        ({"since": moment(6)}, ["two 6", "one 7"]),
        ({"until": moment(1)}, ["two 0", "one 1"]),
        ({"whitelist": [flow_pb2.FlowFilter(node_name=["one"])], "number": 1}, ["one 7"]),
        ({"whitelist": [flow_pb2.FlowFilter(source_port=["1002", "1003"])]}, ["two 2", "one 3"]),
    ],
)
async def test_each_node_answers_what_is_asked(
    tmp_path: Path, asked: dict[str, Any], flows: list[str]
) -> None:
    async with relayed(tmp_path) as bench:
        await bench.add("one", *map(sent_at, (1, 3, 5, 7)))
        await bench.add("two", *map(sent_at, (0, 2, 4, 6)))

        assert (await bench.flows(**asked))[1:] == flows


async def test_flows_beyond_what_waits_are_in_order_too(tmp_path: Path) -> None:
    async with relayed(tmp_path) as bench:
        await bench.add("one", *map(sent_at, range(0, 900, 2)))
        await bench.add("two", *map(sent_at, range(1, 900, 2)))

        found = await bench.flows(number=1000)

    assert [int(text.split()[1]) for text in found[1:]] == [*range(900)]


async def test_losses_are_passed_on_with_the_name_of_their_node(tmp_path: Path) -> None:
    async with relayed(tmp_path) as bench:
        await bench.add("one", sent_at(0), loss(7), sent_at(2))
        await bench.add("two", sent_at(1))

        found = await bench.flows()

    assert sorted(found[1:]) == ["one 0", "one 2", "one PERF_EVENT_RING_BUFFER 7", "two 1"]
    assert [each for each in found if "PERF" not in each][1:] == ["one 0", "two 1", "one 2"]


@pytest.mark.parametrize("asked", [{"whitelist": [BAD]}, {"blacklist": [BAD], "number": 20}])
async def test_error_that_all_nodes_give_is_told_once_and_the_answer_ends(
    tmp_path: Path, asked: dict[str, Any]
) -> None:
    async with relayed(tmp_path, ["one", "two"]) as bench:
        assert await bench.flows(**asked) == [
            "CONNECTED one two",
            'ERROR one two invalid protocol filter: unknown protocol: "foo"',
        ]


async def test_follower_is_told_of_an_error_too_and_only_once(tmp_path: Path) -> None:
    async with (
        relayed(tmp_path, ["one", "two"]) as bench,
        bench.follower(whitelist=[BAD]) as client,
    ):
        assert await client.next(2) == [
            "CONNECTED one two",
            'ERROR one two invalid protocol filter: unknown protocol: "foo"',
        ]
        more = asyncio.ensure_future(client.next(1))
        await asyncio.wait([more], timeout=0.3)  # Longer than until it would be asked again.
        assert not more.done()
        more.cancel()


async def test_node_whose_answer_breaks_is_told_and_the_others_are_heard(tmp_path: Path) -> None:
    async with relayed(tmp_path, ["one", "two"]) as bench, bench.follower() as client:
        one, two = bench.nodes["one"].store, bench.nodes["two"].store
        await client.next(1)
        await until(lambda: one.waiting and two.waiting)

        await bench.nodes["two"].stop()
        [error] = await client.next(1)
        assert error.startswith("ERROR two ")
        for second in range(5):
            one.add(sent_at(second))
            assert await client.next(1) == [f"one {second}"]


async def test_follower_gets_what_comes_of_every_node(tmp_path: Path) -> None:
    async with relayed(tmp_path) as bench:
        one = await bench.add("one", sent_at(0))
        two = await bench.add("two", sent_at(1))
        async with bench.follower() as client:
            assert await client.next(1) == ["CONNECTED one two"]
            await until(lambda: one.store.waiting and two.store.waiting)

            two.store.add(sent_at(3))
            one.store.add(sent_at(2))
            assert await client.next(2) == ["one 2", "two 3"]


async def test_follower_gets_its_backlog_of_every_node_first(tmp_path: Path) -> None:
    async with relayed(tmp_path) as bench:
        one = await bench.add("one", *map(sent_at, (0, 2, 4)))
        await bench.add("two", *map(sent_at, (1, 3)))
        async with bench.follower(number=2) as client:
            backlog = await client.next(5)
            assert sorted(backlog[1:]) == ["one 2", "one 4", "two 1", "two 3"]
            await until(lambda: one.store.waiting)
            one.store.add(sent_at(5))
            assert await client.next(1) == ["one 5"]


async def test_followed_node_that_comes_back_is_asked_from_there_on(tmp_path: Path) -> None:
    """What it saw meanwhile is told, nothing twice."""
    async with relayed(tmp_path) as bench:
        node = await bench.add("one", *map(sent_at, (0, 1)))
        await bench.add("two")
        async with bench.follower(number=10) as client:
            assert await client.next(3) == ["CONNECTED one two", "one 0", "one 1"]
            await until(lambda: node.store.waiting)
            await node.stop()
            await until(lambda: not bench.known("one").is_ready)
            assert (await client.next(1))[0].startswith("ERROR one ")

            node.store.add(sent_at(2))
            await node.start()
            node.store.add(sent_at(3))
            assert await client.next(2) == ["one 2", "one 3"]
            await until(lambda: node.store.waiting)
            node.store.add(sent_at(4))
            assert await client.next(1) == ["one 4"]


async def test_node_that_stays_away_is_an_error_once(tmp_path: Path) -> None:
    async with relayed(tmp_path, ["one", "two"]) as bench, bench.follower() as client:
        one, two = bench.nodes["one"], bench.nodes["two"]
        await client.next(1)
        await until(lambda: one.store.waiting and two.store.waiting)
        await one.stop()
        [error] = await client.next(1)
        assert error.startswith("ERROR one ")

        more = asyncio.ensure_future(client.next(1))
        await asyncio.wait([more], timeout=0.3)  # Longer than until it was asked again, twice.
        assert not more.done()
        two.store.add(sent_at(1))
        assert await soon(more) == ["two 1"]


async def test_followed_node_that_gets_another_address_tells_nothing_twice(tmp_path: Path) -> None:
    async with relayed(tmp_path) as bench:
        node = await bench.add("one", *map(sent_at, (0, 1)))
        async with bench.follower(number=10) as client:
            assert await client.next(3) == ["CONNECTED one", "one 0", "one 1"]
            await until(lambda: node.store.waiting)
            await node.stop()
            node.path = tmp_path / "elsewhere.sock"
            await node.start()
            bench.peers.put(Peer("one", f"unix:{node.path}", ""))
            await until(lambda: node.store.waiting)
            node.store.add(sent_at(2))

            found = await client.next(1)
            if found[0].startswith("ERROR"):
                found = await client.next(1)
            assert found == ["one 2"]


async def test_node_that_joins_is_followed_too(tmp_path: Path) -> None:
    async with relayed(tmp_path, ["one"]) as bench, bench.follower() as client:
        assert await client.next(1) == ["CONNECTED one"]

        two = await bench.add("two")
        await until(lambda: two.store.waiting)
        two.store.add(sent_at(0))

        assert await client.next(1) == ["two 0"]


async def test_follower_without_any_node_gets_the_first_that_comes(tmp_path: Path) -> None:
    async with relayed(tmp_path) as bench, bench.follower() as client:
        first = asyncio.ensure_future(client.next(1))
        await until(lambda: bench.pool.changed._listeners)
        node = await bench.add("one")
        await until(lambda: node.store.waiting)
        node.store.add(sent_at(0))

        assert await soon(first) == ["one 0"]


async def test_followed_node_that_is_removed_is_asked_no_more(tmp_path: Path) -> None:
    async with relayed(tmp_path, ["one", "two"]) as bench, bench.follower() as client:
        one, two = bench.nodes["one"].store, bench.nodes["two"].store
        await client.next(1)
        await until(lambda: one.waiting and two.waiting)

        bench.peers.remove("one")

        await until(lambda: not one.waiting)
        two.add(sent_at(1))
        assert await client.next(1) == ["two 1"]


async def test_answer_to_a_follower_ends_behind_the_last_moment_that_it_wants(
    tmp_path: Path,
) -> None:
    async with (
        relayed(tmp_path, ["one", "two"]) as bench,
        bench.follower(until=moment(5)) as client,
    ):
        one, two = bench.nodes["one"].store, bench.nodes["two"].store
        await client.next(1)
        await until(lambda: one.waiting and two.waiting)

        one.add(*map(sent_at, (4, 9)))
        two.add(*map(sent_at, (5, 6)))

        assert await client.rest() == ["one 4", "two 5"]


async def test_client_that_leaves_ends_what_was_asked_for_it(tmp_path: Path) -> None:
    async with relayed(tmp_path, ["one", "two"]) as bench:
        stores = [node.store for node in bench.nodes.values()]
        async with bench.follower() as client:
            await client.next(1)
            await until(lambda: all(store.waiting for store in stores))

        await until(lambda: not any(store.waiting for store in stores))
        assert not bench.pool.changed._listeners


def much(bench: Relayed) -> None:
    """Have every node keep as many flows as it may."""
    for node in bench.nodes.values():
        node.store.add(*[packet(source_port=port) for port in range(1000, 2023)])


async def test_client_that_never_reads_harms_nobody_and_costs_little(tmp_path: Path) -> None:
    async with relayed(tmp_path, ["one", "two"]) as bench:
        much(bench)
        narrow = [("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0)]
        async with contextlib.AsyncExitStack() as stack:
            held = []
            for _ in range(5):
                channel = grpc.aio.insecure_channel(bench.address, options=narrow)
                await stack.enter_async_context(channel)
                call: Any = channel.unary_stream(
                    "/observer.Observer/GetFlows",
                    request_serializer=observer_pb2.GetFlowsRequest.SerializeToString,
                )(observer_pb2.GetFlowsRequest(follow=True, number=1000))
                await soon(call.initial_metadata())
                held.append(call)

            found = await bench.flows(number=100)
            assert len(found) == 201
            # Of each node and client: what waits here, and a batch here, on its way and there.
            assert answers_in_memory() < 5 * 2 * (64 + 3 * 256)
            for call in held:
                call.cancel()
        await until(lambda: not bench.pool.changed._listeners)


def answers_in_memory() -> int:
    gc.collect()
    return sum(isinstance(each, observer_pb2.GetFlowsResponse) for each in gc.get_objects())


async def test_status_is_the_sum_of_all_nodes_and_names_who_does_not_answer(
    tmp_path: Path,
) -> None:
    async with relayed(tmp_path) as bench:
        await bench.add("one", *map(sent_at, range(3)))
        await bench.add("two", *map(sent_at, range(4)))
        for number in range(12):
            await bench.add(f"gone-{number:02}", serves=False)

        found = await soon(bench.calls.ServerStatus(observer_pb2.ServerStatusRequest()))

    assert (found.num_flows, found.seen_flows, found.max_flows) == (7, 7, 2 * 1023)
    assert (found.num_connected_nodes.value, found.num_unavailable_nodes.value) == (2, 12)
    assert [*found.unavailable_nodes] == [f"gone-{number:02}" for number in range(10)]
    assert found.version == "hubble-relay v1.17.6"
    assert found.uptime_ns > 0
    assert found.flows_rate > 0


async def test_nodes_are_named_with_how_they_are(tmp_path: Path) -> None:
    async with relayed(tmp_path) as bench:
        await bench.add("two", sent_at(0))
        await bench.add("gone", serves=False)
        bench.peers.put(
            Peer("away", f"unix:{tmp_path}/away", "away.default.hubble-grpc.cilium.io")
        )

        found = (await soon(bench.calls.GetNodes(observer_pb2.GetNodesRequest()))).nodes

    assert [(each.name, relay_pb2.NodeState.Name(each.state)) for each in found] == [
        ("away", "NODE_UNAVAILABLE"),
        ("gone", "NODE_UNAVAILABLE"),
        ("two", "NODE_CONNECTED"),
    ]
    away, gone, two = found
    assert (away.tls.enabled, away.tls.server_name) == (True, "away.default.hubble-grpc.cilium.io")
    assert not gone.tls.enabled
    assert two.address == f"unix:{tmp_path}/two.sock"
    assert (two.num_flows, two.seen_flows, two.max_flows) == (1, 1, 1023)
    assert two.version == "cilium v1.19.4"
    assert two.uptime_ns > 0


async def test_namespaces_are_those_that_any_node_saw(tmp_path: Path) -> None:
    async with relayed(tmp_path) as bench:
        outside = {"destination_identity": WORLD, "destination": bytes(16)}
        await bench.add("one", sent_at(0), cluster="east")
        await bench.add("two", sent_at(1, **outside), cluster="west")
        await bench.add("three", sent_at(2), cluster="east")
        await bench.add("gone", serves=False)

        asked = observer_pb2.GetNamespacesRequest()
        found = (await soon(bench.calls.GetNamespaces(asked))).namespaces

    assert [(each.cluster, each.namespace) for each in found] == [
        ("east", "shop"),
        ("east", "shop-db"),
        ("west", "shop"),
    ]


async def test_node_that_goes_while_it_is_asked_is_one_that_does_not_answer(
    tmp_path: Path,
) -> None:
    async with relayed(tmp_path, ["one", "two"]) as bench:
        await until(lambda: len(bench.pool.ready) == 2)
        asked = [
            asyncio.ensure_future(soon(bench.calls.GetNodes(observer_pb2.GetNodesRequest())))
            for _ in range(20)
        ]
        await asyncio.sleep(0)
        bench.peers.remove("one")
        answers = await asyncio.gather(*asked)

    names = {tuple(each.name for each in answer.nodes) for answer in answers}
    assert names <= {("one", "two"), ("two",)}


async def test_relay_without_nodes_answers_that_there_is_nothing(tmp_path: Path) -> None:
    async with relayed(tmp_path) as bench:
        assert await bench.flows() == []
        status = await soon(bench.calls.ServerStatus(observer_pb2.ServerStatusRequest()))
        nodes = await soon(bench.calls.GetNodes(observer_pb2.GetNodesRequest()))
        names = await soon(bench.calls.GetNamespaces(observer_pb2.GetNamespacesRequest()))

    assert (status.num_flows, status.max_flows, status.uptime_ns) == (0, 0, 0)
    assert status.HasField("num_connected_nodes")
    assert (status.num_connected_nodes.value, status.num_unavailable_nodes.value) == (0, 0)
    assert ([*nodes.nodes], [*names.namespaces]) == ([], [])


async def test_first_flows_of_who_follows_are_refused_as_by_a_node(tmp_path: Path) -> None:
    async with relayed(tmp_path, ["one"]) as bench:
        assert await refusal(bench.flows(first=True, follow=True)) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "first cannot be specified with follow",
        )


async def test_events_of_agents_are_asked_of_a_node(tmp_path: Path) -> None:
    async with relayed(tmp_path, ["one"]) as bench:
        agent = bench.calls.GetAgentEvents(observer_pb2.GetAgentEventsRequest())
        debug = bench.calls.GetDebugEvents(observer_pb2.GetDebugEventsRequest())
        refused = [await refusal(anext(aiter(each))) for each in (agent, debug)]

    assert (
        refused
        == [
            (
                grpc.StatusCode.UNIMPLEMENTED,
                "a relay has no such events: ask a node's own server",
            )
        ]
        * 2
    )
