"""Columns rule out what no filter wants, and never what one does."""

import random

import pytest

from ciliate.datapath.layout import Event, EventFlag, EventKind
from ciliate.flows.feed import (
    NodeAddresses,
    PodName,
    ServiceNamed,
    ServicePlaces,
    place_octets,
)
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.server.candidates import candidates
from ciliate.flows.server.filter import compile_filters
from ciliate.flows.server.name_table import NameTable
from ciliate.flows.server.record_ring import RecordRing
from ciliate.flows.server.record_view import RecordView, Surroundings
from ciliate.net.address import ANY_ADDRESS, ip_address, to_octets
from ciliate.net.protocol import ICMP, TCP, UDP

ADDRESSES = ("10.244.0.5", "10.244.1.7", "192.0.2.1", "fd00::5", "10.244.1.8")
PODS = {"web-1": "10.244.0.5", "web-2": "10.244.1.7", "db": "fd00::5"}
FILTERS = (
    flow_pb2.FlowFilter(source_pod=["web"]),
    flow_pb2.FlowFilter(destination_pod=["shop/"], protocol=["udp"]),
    flow_pb2.FlowFilter(source_ip=["192.0.2.1", "fd00::5"]),
    flow_pb2.FlowFilter(source_ip=["10.244.0.0/16"]),
    flow_pb2.FlowFilter(destination_port=["80", "443"]),
    flow_pb2.FlowFilter(source_port=["80"], protocol=["TCP"]),
    flow_pb2.FlowFilter(verdict=[flow_pb2.DROPPED, flow_pb2.TRANSLATED]),
    flow_pb2.FlowFilter(event_type=[flow_pb2.EventTypeFilter(type=4)]),
    flow_pb2.FlowFilter(event_type=[flow_pb2.EventTypeFilter(type=0)]),
    flow_pb2.FlowFilter(protocol=["icmp"]),
    flow_pb2.FlowFilter(protocol=["dns"]),
    flow_pb2.FlowFilter(source_service=["web"]),
    flow_pb2.FlowFilter(destination_service=["default/web"], protocol=["tcp"]),
    flow_pb2.FlowFilter(destination_service=["shop/", "other/none"]),
    flow_pb2.FlowFilter(ip_version=[flow_pb2.IPv6]),
)


def octets(text: str) -> bytes:
    return to_octets(ip_address(text))


def some_names() -> NameTable:
    names = NameTable()
    for number, (pod, address) in enumerate(PODS.items(), start=1):
        names.take(
            PodName(
                key=pod,
                since_ns=0,
                addresses=(octets(address),),
                namespace="shop" if pod == "db" else "default",
                pod=pod,
                identity=1000,
                endpoint=number,
                uid=pod,
            )
        )
    at = {
        ("default", "web"): ("192.0.2.1", 80),
        ("default", "former"): ("192.0.2.1", 443),
        ("shop", "db"): ("fd00::5", 443),
    }
    services = [
        ServicePlaces(*service, places=(place_octets(octets(address), port, TCP),))
        for service, (address, port) in at.items()
    ]
    anywhere = place_octets(ANY_ADDRESS[4], 443, TCP)
    services.append(ServicePlaces("shop", "node-port", (anywhere,)))
    names.take(ServiceNamed(since_ns=0, services=tuple(services)))
    names.take(ServiceNamed(since_ns=450, gone=services[1].places))
    names.take(
        NodeAddresses(node="w1", since_ns=0, addresses=(octets("10.244.1.8"), octets("fd00::5")))
    )
    return names


def some_ring(chance: random.Random) -> RecordRing:
    """More records than it keeps, of every kind."""
    ring, blank = RecordRing(255), Event.unpack(bytes(Event.SIZE))
    for number in range(600):
        kind = chance.choice(tuple(EventKind))
        is_call = kind == EventKind.EVENT_SOCKET
        event = blank._replace(
            time_ns=number,
            kind=kind,
            about=1 if is_call else 133 if kind == EventKind.EVENT_DROP else 0,
            flags=EventFlag.EVENT_IS_IP,
            source=bytes(16) if is_call else octets(chance.choice(ADDRESSES)),
            destination=octets(chance.choice(ADDRESSES)),
            source_port=chance.choice((0, 80, 40000)),
            destination_port=chance.choice((80, 443, 53, 0x0800)),
            protocol=chance.choice((TCP, UDP, ICMP)),
            cgroup=chance.choice((7, 8)),
        )
        ring.append(event.pack())
    return ring


@pytest.mark.parametrize("asked", FILTERS, ids=lambda each: str(each).replace("\n", " ").strip())
def test_nothing_that_a_filter_wants_is_ruled_out(asked: flow_pb2.FlowFilter) -> None:
    names, ring = some_names(), some_ring(random.Random(1))
    around = Surroundings(
        node="n",
        node_labels=(),
        cluster="default",
        names=names,
        uuid_seed=1,
        pod_of_cgroup=lambda number: "web-1" if number == 7 else "",
    )
    passes = compile_filters([asked], [])

    found = set(candidates(ring, ring.oldest, ring.end, [asked], names))

    wanted = 0
    for number in range(ring.oldest, ring.end):
        view = RecordView(Event.unpack(ring.octets(number)), number, around)
        is_wanted = view.is_flow and passes(view)
        wanted += is_wanted
        if view.event.kind == EventKind.EVENT_LOST or is_wanted:
            assert number in found
    assert wanted > 0 or asked.protocol == ["dns"], "the ring has what is asked for"


def test_what_columns_tell_leaves_few() -> None:
    names, ring = some_names(), some_ring(random.Random(2))
    asked = flow_pb2.FlowFilter(verdict=[flow_pb2.DROPPED])

    found = candidates(ring, ring.oldest, ring.end, [asked], names)

    assert 0 < len(found) < 0.75 * len(ring)
    assert list(found) == sorted(found)


def test_of_a_service_only_what_is_at_its_addresses_is_looked_at() -> None:
    names, ring = some_names(), some_ring(random.Random(4))
    asked = flow_pb2.FlowFilter(destination_service=["default/web"])

    found = candidates(ring, ring.oldest, ring.end, [asked], names)

    events = [Event.unpack(ring.octets(number)) for number in found]
    ruled_in = [
        each for each in events if each.kind not in (EventKind.EVENT_LOST, EventKind.EVENT_SOCKET)
    ]
    assert {each.destination for each in ruled_in} == {octets("192.0.2.1")}
    assert len(found) < len(ring)


def test_of_several_filters_each_adds_its_own_and_one_that_says_nothing_all() -> None:
    names, ring = some_names(), some_ring(random.Random(3))
    dropped = flow_pb2.FlowFilter(verdict=[flow_pb2.DROPPED])
    port = flow_pb2.FlowFilter(destination_port=["53"])
    every = range(ring.oldest, ring.end)

    either = candidates(ring, ring.oldest, ring.end, [dropped, port], names)
    one = candidates(ring, ring.oldest, ring.end, [port], names)

    assert set(one) < set(either)
    assert candidates(ring, ring.oldest, ring.end, [dropped, FILTERS[-1]], names) == every
    assert candidates(ring, ring.oldest, ring.end, [], names) == every
