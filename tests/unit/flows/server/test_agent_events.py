"""`flows/server/agent_events.py`: what the agent's lines mean, and which of it is given to whom."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace
from tests.unit.flows.server.flow_clients import soon
from tests.unit.flows.server.sample_records import DB, WEB, WEB_IP

from ciliate.flows.feed import IdentityLabels, Line, PodGone, PodName
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.server.agent_events import (
    EVENTS_MAX,
    AgentEvents,
    EventRequest,
    read_event_request,
)
from ciliate.flows.server.errors import FlowRequestError

HERE = replace(WEB, since_ns=1, addresses=WEB.addresses[1:])
THERE = replace(DB, since_ns=1, addresses=DB.addresses[:1])
GONE = PodGone(key=HERE.key, at_ns=2)


def told(*lines: tuple[Line, PodName | None], began_ns: int = 0) -> AgentEvents:
    """Return the events of lines, which came a second after each other."""
    seconds = iter(range(1, 1 << 20))
    events = AgentEvents(began_ns, clock=lambda: next(seconds) * 10**9)
    for line, before in lines:
        events.take(line, before)
    return events


def asked(**fields: Any) -> EventRequest:
    return read_event_request(observer_pb2.GetAgentEventsRequest(**fields))


async def texts(events: AgentEvents, **fields: Any) -> list[str]:
    return [_text(each.event) async for each in events.wanted(asked(**fields))]


def _text(event: flow_pb2.AgentEvent) -> str:
    kind = flow_pb2.AgentEventType.Name(event.type)
    if event.HasField("endpoint_update"):
        return f"{kind} {event.endpoint_update.id} {event.endpoint_update.pod_name}"
    update = event.ipcache_update
    old = f" was {update.old_identity.value}" if update.HasField("old_identity") else ""
    return f"{kind} {update.cidr} {update.identity} {update.namespace}/{update.pod_name}{old}"


async def test_pod_of_this_node_is_an_endpoint_and_an_address() -> None:
    found = await texts(told((HERE, None), (GONE, HERE)))

    address = f"{WEB_IP}/32"
    name = f"{HERE.identity} {HERE.namespace}/{HERE.pod}"
    assert found == [
        f"ENDPOINT_CREATED 7 {HERE.pod}",
        f"IPCACHE_UPSERTED {address} {name}",
        f"ENDPOINT_DELETED 7 {HERE.pod}",
        f"IPCACHE_DELETED {address} {name}",
    ]


async def test_pod_of_another_node_is_an_address_and_one_of_ipv6_is_128_bits_long() -> None:
    six = replace(THERE, addresses=(bytes.fromhex("fd00" + "00" * 13 + "09"),))

    (found,) = await texts(told((six, None)))

    assert found.startswith("IPCACHE_UPSERTED fd00::9/128 ")


async def test_identity_that_changes_is_told_with_the_former_one() -> None:
    changed = replace(THERE, identity=THERE.identity + 1)

    (found,) = await texts(told((changed, THERE)))

    assert found.endswith(f" was {THERE.identity}")


async def test_what_was_known_from_the_start_and_what_did_not_change_is_no_event() -> None:
    labels = IdentityLabels(number=4, labels=())
    events = told(
        (replace(HERE, since_ns=0), None),
        (replace(HERE, labels=("k8s:new=label",)), HERE),
        (labels, None),
        (PodGone(key="endpoint 99", at_ns=3), None),
    )

    assert await texts(events) == []


async def test_other_pod_under_the_same_key_is_one_that_went_and_one_that_came() -> None:
    other = replace(HERE, pod="web-1")

    found = await texts(told((other, HERE)))

    assert [each.partition(" ")[0] for each in found] == [
        "ENDPOINT_DELETED",
        "IPCACHE_DELETED",
        "ENDPOINT_CREATED",
        "IPCACHE_UPSERTED",
    ]


@pytest.mark.parametrize(
    ("fields", "identities"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"number": 2}, [4, 5]),
        ({"number": 2, "first": True}, [1, 2]),
        ({"number": 9}, [1, 2, 3, 4, 5]),
        ({"since": {"seconds": 3}}, [3, 4, 5]),
        ({"since": {"seconds": 3}, "number": 1}, [3]),
        ({"until": {"seconds": 2}}, [1, 2]),
        ({"until": {"seconds": 2}, "number": 1}, [2]),
    ],
)
async def test_bounds_are_those_of_flows(fields: dict[str, Any], identities: list[int]) -> None:
    events = told(*((replace(THERE, identity=number), None) for number in range(1, 6)))

    found = [each.event.ipcache_update.identity async for each in events.wanted(asked(**fields))]

    assert found == identities


@pytest.mark.parametrize(
    ("fields", "before"), [({}, []), ({"number": 1}, [2]), ({"since": {"seconds": 1}}, [1, 2])]
)
async def test_who_follows_gets_what_comes_after(
    fields: dict[str, Any], before: list[int]
) -> None:
    events = told(*((replace(THERE, identity=number), None) for number in (1, 2)))
    stream = events.wanted(asked(follow=True, **fields))
    for number in before:
        assert (await soon(anext(stream))).event.ipcache_update.identity == number
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    for number in (3, 4):
        events.take(replace(THERE, identity=number), None)

    assert (await soon(waiting)).event.ipcache_update.identity == 3
    assert (await soon(anext(stream))).event.ipcache_update.identity == 4
    await stream.aclose()


async def test_the_newest_are_kept() -> None:
    events = told(*((replace(THERE, identity=n), None) for n in range(EVENTS_MAX + 2)))

    found = [each.event.ipcache_update.identity async for each in events.wanted(asked())]

    assert found == [*range(2, EVENTS_MAX + 2)]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"first": True, "follow": True}, "first cannot be specified with follow"),
        ({"since": {"seconds": 2}, "until": {"seconds": 1}}, "until is before since"),
    ],
)
def test_bounds_that_contradict_each_other_are_refused(
    fields: dict[str, Any], problem: str
) -> None:
    with pytest.raises(FlowRequestError, match=problem):
        asked(**fields)
