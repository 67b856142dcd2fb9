"""`flows/server/observer.py`: clients get what they ask for, and are told what they do not get."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from msgspec.structs import replace
from tests.unit.flows.server.flow_clients import (
    VERSION,
    Answer,
    WatchedStore,
    answers,
    calls,
    served,
    soon,
    until,
)
from tests.unit.flows.server.sample_records import (
    EPOCH_OFFSET_NS,
    NOW_NS,
    OTHER_CGROUP,
    OUTSIDE_IP,
    SECOND_NS,
    WEB,
    WORLD,
    call,
    drop,
    joined,
    loss,
    packet,
)

from ciliate.datapath.layout import Event
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.server.agent_events import AgentEvents
from ciliate.flows.server.observer import Observer

Asked = observer_pb2.GetFlowsRequest

DROPPED = flow_pb2.FlowFilter(verdict=[flow_pb2.DROPPED])
WEB_PACKETS = flow_pb2.FlowFilter(source_pod=["shop/web-0"])


def sent_at(second: int, **fields: Any) -> Event:
    """Return a packet of a second, whose source port says which."""
    return packet(time_ns=NOW_NS + second * SECOND_NS, source_port=1000 + second, **fields)


def numbered(*seconds: int) -> list[Event]:
    return [sent_at(second) for second in seconds]


def moment(second: int) -> Timestamp:
    return Timestamp(seconds=(NOW_NS + EPOCH_OFFSET_NS) // SECOND_NS + second)


def told(found: list[Answer]) -> list[int | str]:
    """Return the seconds of flows; losses as texts."""
    return [
        answer.flow.l4.TCP.source_port - 1000
        if answer.HasField("flow")
        else f"{flow_pb2.LostEventSource.Name(answer.lost_events.source)} "
        f"{answer.lost_events.num_events_lost}"
        for answer in found
    ]


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"number": 2}, [4, 5]),
        ({"number": 2**64 - 1}, [0, 1, 2, 3, 4, 5]),
        ({"number": 2, "first": True}, [0, 1]),
        ({"since": moment(3)}, [3, 4, 5]),
        ({"since": moment(2), "number": 2}, [2, 3]),
        ({"until": moment(2)}, [0, 1, 2]),
        ({"until": moment(2), "number": 2}, [1, 2]),
        ({"since": moment(1), "until": moment(3)}, [1, 2, 3]),
        ({"since": moment(9)}, []),
        ({"until": moment(1), "follow": True, "since": moment(0)}, [0, 1]),
        ({"whitelist": [flow_pb2.FlowFilter(source_port=["1001", "1004"])]}, [1, 4]),
        ({"whitelist": [flow_pb2.FlowFilter(source_port=["1001"])], "number": 20}, [1]),
        ({"blacklist": [flow_pb2.FlowFilter(source_port=["1001", "1004"])]}, [0, 2, 3, 5]),
        ({"blacklist": [flow_pb2.FlowFilter(source_port=["1004", "1005"])], "number": 2}, [2, 3]),
        ({"whitelist": [WEB_PACKETS], "blacklist": [WEB_PACKETS]}, []),
        ({"whitelist": [DROPPED, flow_pb2.FlowFilter(source_port=["1000"])]}, [0]),
        ({"whitelist": [flow_pb2.FlowFilter()], "number": 1, "first": True}, [0]),
    ],
)
async def test_flows_that_are_kept(
    tmp_path: Path, asked: dict[str, Any], seconds: list[int]
) -> None:
    async with served(tmp_path, WatchedStore(1023, *numbered(*range(6)))) as channel:
        assert told(await answers(channel, **asked)) == seconds


async def test_answer_has_node_and_time_of_its_flow(tmp_path: Path) -> None:
    async with served(tmp_path, WatchedStore(1023, packet(), cluster="east")) as channel:
        [answer] = await answers(channel)

    assert answer.node_name == answer.flow.node_name == "east/k8s-w1"
    assert answer.time == answer.flow.time
    assert answer.flow.emitter == flow_pb2.Emitter(name="Hubble", version=VERSION)
    assert answer.flow.source.pod_name == "web-0"


async def test_mask_takes_node_and_time_from_the_answer_as_well(tmp_path: Path) -> None:
    async with served(tmp_path, WatchedStore(1023, packet())) as channel:
        mask = FieldMask(paths=["uuid", "source.pod_name"])
        [answer] = await answers(channel, field_mask=mask)

    assert (answer.node_name, answer.HasField("time")) == ("", False)
    assert answer.flow.source == flow_pb2.Endpoint(pod_name="web-0")
    assert answer.flow.uuid


async def test_flow_has_the_same_uuid_in_every_answer_and_no_other_has_it(tmp_path: Path) -> None:
    async with served(tmp_path, WatchedStore(1023, *numbered(*range(50)))) as channel:
        first = [answer.flow.uuid for answer in await answers(channel)]
        again = [answer.flow.uuid for answer in await answers(channel, number=10)]

    assert len(set(first)) == 50
    assert again == first[-10:]


@pytest.mark.parametrize("asked", [{}, {"number": 20}])
async def test_calls_of_who_is_no_pod_are_not_shown(tmp_path: Path, asked: dict[str, int]) -> None:
    store = WatchedStore(1023, call(), call(cgroup=OTHER_CGROUP))
    async with served(tmp_path, store) as channel:
        found = await answers(channel, **asked)

    assert [answer.flow.Type for answer in found] == [flow_pb2.SOCK]


@pytest.mark.parametrize("asked", [{}, {"number": 20}, {"number": 20, "first": True}])
@pytest.mark.parametrize("only", [[], [DROPPED]])
async def test_losses_are_told_with_their_number_whatever_is_asked_for(
    tmp_path: Path, asked: dict[str, Any], only: list[flow_pb2.FlowFilter]
) -> None:
    store = WatchedStore(1023, sent_at(0), loss(7), sent_at(1), loss(2))
    async with served(tmp_path, store) as channel:
        found = await answers(channel, whitelist=only, **asked)

    lost = ["PERF_EVENT_RING_BUFFER 7", "PERF_EVENT_RING_BUFFER 2"]
    assert told(found) == (lost if only else [0, lost[0], 1, lost[1]])
    losses = [answer for answer in found if answer.HasField("lost_events")]
    assert {answer.node_name for answer in losses} == {"k8s-w1"}
    assert all(answer.HasField("time") for answer in losses)


async def test_losses_count_for_no_flow(tmp_path: Path) -> None:
    store = WatchedStore(1023, sent_at(0), loss(1), sent_at(1), loss(1), sent_at(2))
    async with served(tmp_path, store) as channel:
        found = await answers(channel, number=2)

    assert told(found) == [1, "PERF_EVENT_RING_BUFFER 1", 2]


class Follower:
    """A client that follows."""

    def __init__(self, channel: grpc.aio.Channel, **asked: Any) -> None:
        self._call = calls(channel).GetFlows(Asked(follow=True, **asked))
        self._answers: AsyncIterator[Answer] = aiter(self._call)

    async def next(self, count: int) -> list[int | str]:
        """Return what the next `count` answers tell."""
        return told([await soon(anext(self._answers)) for _ in range(count)])

    async def rest(self) -> list[int | str]:
        """Return what is told until the server ends the answer."""

        async def all_of_it() -> list[Answer]:
            return [answer async for answer in self._answers]

        return told(await soon(all_of_it()))

    def cancel(self) -> None:
        self._call.cancel()


@pytest.mark.parametrize(
    ("asked", "backlog"),
    [
        ({}, []),
        ({"number": 2}, [4, 5]),
        ({"since": moment(3)}, [3, 4, 5]),
        ({"since": moment(3), "number": 1}, [3, 4, 5]),
    ],
)
async def test_follower_gets_its_backlog_and_then_what_comes(
    tmp_path: Path, asked: dict[str, Any], backlog: list[int]
) -> None:
    store = WatchedStore(1023, *numbered(*range(6)))
    async with served(tmp_path, store) as channel:
        client = Follower(channel, **asked)
        assert await client.next(len(backlog)) == backlog
        await until(lambda: store.waiting == 1)

        for second in (6, 7):
            store.add(sent_at(second))
            assert await client.next(1) == [second]

        client.cancel()
        await until(lambda: store.waiting == 0)


async def test_follower_gets_what_it_wants_of_what_comes(tmp_path: Path) -> None:
    store = WatchedStore()
    async with served(tmp_path, store) as channel:
        client = Follower(channel, whitelist=[DROPPED], number=5)
        await until(lambda: store.waiting == 1)

        store.add(*numbered(0, 1), drop(source_port=1002), loss(4), drop(source_port=1003))

        assert await client.next(3) == [2, "PERF_EVENT_RING_BUFFER 4", 3]


async def test_answer_to_a_follower_ends_behind_the_last_moment_that_it_wants(
    tmp_path: Path,
) -> None:
    store = WatchedStore(1023, sent_at(0))
    async with served(tmp_path, store) as channel:
        client = Follower(channel, until=moment(5))
        await until(lambda: store.waiting == 1)
        store.add(*numbered(4, 5, 6, 3))

        assert await client.rest() == [4, 5]


async def test_follower_that_was_overtaken_is_told_how_many_it_missed(tmp_path: Path) -> None:
    store = WatchedStore(7)
    async with served(tmp_path, store) as channel:
        client = Follower(channel)
        await until(lambda: store.waiting == 1)

        store.add(*numbered(*range(100)))

        assert await client.next(8) == ["HUBBLE_RING_BUFFER 93", *range(93, 100)]


class Connection:
    """A connection whose client takes answers when the test does."""

    @property
    def as_context(self) -> Any:
        return cast("grpc.aio.ServicerContext[Any, Any]", self)

    async def send_initial_metadata(self, metadata: object) -> None:
        """Have it taken."""

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the headers of Hubble's own clients: none that matters."""
        return ()


@pytest.mark.parametrize("more", [5, 100, 10_000])
@pytest.mark.parametrize("asked", [Asked(), Asked(first=True, number=1000), Asked(number=1000)])
async def test_of_what_is_kept_a_slow_client_gets_each_or_is_told_that_it_is_lost(
    more: int, asked: Asked
) -> None:
    """What came after the request was not offered, so it is not missed either."""
    store = WatchedStore(127, *numbered(*range(127)))
    answer = Observer(store, version=VERSION).GetFlows(asked, Connection().as_context)
    found = [await anext(answer) for _ in range(3)]

    store.add(*numbered(*range(more)))
    found += [each async for each in answer]

    delivered = sum(each.HasField("flow") for each in found)
    lost = sum(each.lost_events.num_events_lost for each in found)
    assert delivered + lost == 127
    assert lost == min(more - 3, 124) if more > 3 else not lost


async def test_slow_follower_gets_each_flow_or_is_told_that_it_is_lost() -> None:
    store = WatchedStore(127, *numbered(*range(127)))
    observer = Observer(store, version=VERSION)
    answer = observer.GetFlows(Asked(follow=True, since=moment(0)), Connection().as_context)
    delivered = lost = 0
    for burst in (1, 50, 300, 127, 128, 2000):
        taken = await anext(answer)
        delivered += taken.HasField("flow")
        lost += taken.lost_events.num_events_lost
        store.add(*numbered(*[1000] * burst))
    while delivered + lost < store.ring.end:
        taken = await anext(answer)
        delivered += taken.HasField("flow")
        lost += taken.lost_events.num_events_lost

    assert delivered + lost == store.ring.end
    assert lost > 0


async def test_client_that_never_reads_harms_nobody(tmp_path: Path) -> None:
    store = WatchedStore(1023)
    async with served(tmp_path, store) as channel:
        silent = Follower(channel)
        reading = Follower(channel)
        await until(lambda: store.waiting == 2)
        rounds, each = 10, 400

        for first in range(0, rounds * each, each):
            store.add(*numbered(*range(first, first + each)))
            assert await reading.next(each) == [*range(first, first + each)]
            status = await soon(calls(channel).ServerStatus(observer_pb2.ServerStatusRequest()))
            assert status.seen_flows == first + each

        silent.cancel()


async def test_status_tells_how_many_flows_are_kept_and_were(tmp_path: Path) -> None:
    store = WatchedStore(7, *numbered(*range(20)))
    async with served(tmp_path, store) as channel:
        before = store.uptime_s
        status = await soon(calls(channel).ServerStatus(observer_pb2.ServerStatusRequest()))

    assert (status.num_flows, status.max_flows, status.seen_flows) == (7, 7, 20)
    assert before <= status.uptime_ns / SECOND_NS <= store.uptime_s
    assert status.version == "cilium v1.19.4"
    assert status.flows_rate > 0
    assert not status.HasField("num_connected_nodes")
    assert not status.HasField("num_unavailable_nodes")


async def test_version_stands_in_the_header_of_answers(tmp_path: Path) -> None:
    async with served(tmp_path, WatchedStore()) as channel:
        flows = calls(channel).GetFlows(Asked())
        status = calls(channel).ServerStatus(observer_pb2.ServerStatusRequest())
        headers = [dict(await soon(each.initial_metadata())) for each in (flows, status)]

    assert [header["hubble-server-version"] for header in headers] == [VERSION] * 2


async def test_namespaces_are_those_of_flows_that_are_kept(tmp_path: Path) -> None:
    outside = packet(destination=OUTSIDE_IP, destination_identity=WORLD)
    store = WatchedStore(3, packet(), *[outside] * 3, cluster="east")
    async with served(tmp_path, store) as channel:
        asked = observer_pb2.GetNamespacesRequest()
        first = await soon(calls(channel).GetNamespaces(asked))
        store.add(packet())
        second = await soon(calls(channel).GetNamespaces(asked))

    def names(found: observer_pb2.GetNamespacesResponse) -> list[tuple[str, str]]:
        return [(each.cluster, each.namespace) for each in found.namespaces]

    assert names(first) == [("east", "shop")]
    assert names(second) == [("east", "shop"), ("east", "shop-db")]


async def refusal(answer: Any) -> tuple[grpc.StatusCode, str]:
    """Return how a request was refused."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await soon(answer)
    return refused.value.code(), refused.value.details() or ""


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        (
            {"first": True, "follow": True},
            grpc.StatusCode.INVALID_ARGUMENT,
            "first cannot be specified with follow",
        ),
        (
            {"whitelist": [flow_pb2.FlowFilter(protocol=["foo"])]},
            grpc.StatusCode.UNKNOWN,
            'invalid protocol filter: unknown protocol: "foo"',
        ),
        (
            {"blacklist": [flow_pb2.FlowFilter(protocol=["foo"])], "number": 20},
            grpc.StatusCode.UNKNOWN,
            'invalid protocol filter: unknown protocol: "foo"',
        ),
        (
            {"field_mask": FieldMask(paths=["source.colour"])},
            grpc.StatusCode.UNKNOWN,
            'invalid field mask: path "source.colour" is no field of flow.Flow',
        ),
    ],
)
async def test_request_that_cannot_be_answered_is_refused_with_the_reason(
    tmp_path: Path, asked: dict[str, Any], code: grpc.StatusCode, words: str
) -> None:
    async with served(tmp_path, WatchedStore(1023, packet())) as channel:
        assert await refusal(answers(channel, **asked)) == (code, words)
        assert len(await answers(channel)) == 1, "others go on being answered"


async def test_what_is_not_there_says_so(tmp_path: Path) -> None:
    async with served(tmp_path, WatchedStore()) as channel:
        stub = calls(channel)
        nodes = await refusal(stub.GetNodes(observer_pb2.GetNodesRequest()))

    assert nodes == (grpc.StatusCode.UNIMPLEMENTED, "GetNodes not implemented")


async def test_events_of_the_agent_are_told_with_node_and_time(tmp_path: Path) -> None:
    events = AgentEvents(began_ns=5 * 10**9)
    async with served(tmp_path, WatchedStore(), events=events) as channel:
        asked = calls(channel).GetAgentEvents(
            observer_pb2.GetAgentEventsRequest(follow=True, number=1)
        )
        stream = aiter(asked)
        began = await soon(anext(stream))
        events.take(replace(WEB, since_ns=1), None)
        created = await soon(anext(stream))

    assert began.agent_event.type == flow_pb2.AGENT_STARTED
    assert began.agent_event.agent_start.time.seconds == began.time.seconds == 5
    assert began.node_name == "k8s-w1"
    assert created.agent_event.endpoint_update.pod_name == "web-0"


@pytest.mark.parametrize("method", ["GetAgentEvents", "GetDebugEvents"])
async def test_bounds_of_events_that_contradict_each_other_are_refused(
    tmp_path: Path, method: str
) -> None:
    kind = getattr(observer_pb2, f"{method}Request")
    async with served(tmp_path, WatchedStore()) as channel:
        ask = getattr(calls(channel), method)
        refused = await refusal(anext(aiter(ask(kind(first=True, follow=True)))))

    message = "first cannot be specified with follow"
    assert refused == (grpc.StatusCode.INVALID_ARGUMENT, message)


async def test_programs_have_no_debug_events(tmp_path: Path) -> None:
    async with served(tmp_path, WatchedStore()) as channel:
        asked = calls(channel).GetDebugEvents(observer_pb2.GetDebugEventsRequest(number=20))

        assert [each async for each in asked] == []


async def test_long_answer_leaves_room_for_what_comes_meanwhile() -> None:
    """Records are taken and others answered while a ring is searched for what nobody sent."""
    store = WatchedStore(65535)
    store.take(joined([packet()] * 65535))
    observer = Observer(store, version=VERSION)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    nothing = flow_pb2.FlowFilter(source_label=["app=nobody"])
    asked = Asked(number=1, whitelist=[nothing])
    found = [each async for each in observer.GetFlows(asked, Connection().as_context)]
    counting.cancel()

    assert found == []
    assert turns > 50
