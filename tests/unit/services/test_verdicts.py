"""Which endpoints take connections: the traffic policies, conditions and hints."""

import pytest
from tests.unit.services.service_objects import (
    ENDING,
    GONE,
    NODE,
    UNREADY,
    endpoint,
    known_slice,
    octets,
)

from ciliate.net.protocol import TCP, UDP
from ciliate.services.model import (
    EndpointState,
    KnownSlice,
    NodeFacts,
    Place,
    ServicePort,
    SlicePort,
    Variant,
)
from ciliate.services.verdicts import Candidates, Judged, Verdict, is_port_of, judge, judge_all

HTTP = ServicePort("http", TCP, 80)
ALL, LOCAL = Variant.ALL, Variant.LOCAL
CHOSEN = Verdict.CHOSEN


def verdicts(
    *places: Place, variant: Variant = ALL, node: NodeFacts = NODE, follows_hints: bool = False
) -> list[Verdict]:
    found = judge(places, variant=variant, node=node, follows_hints=follows_hints)
    return [found[place] for place in places]


def ready(node: str = "w1", *, zones: tuple[str, ...] = (), nodes: tuple[str, ...] = ()) -> Place:
    return Place(EndpointState.READY, node, zone_hints=zones, node_hints=nodes)


def ending(node: str = "w1") -> Place:
    return Place(EndpointState.TERMINATING, node)


def unready(node: str = "w1") -> Place:
    return Place(EndpointState.NOT_READY, node)


def test_ready_ones_are_chosen_and_no_others_while_there_is_one() -> None:
    assert verdicts(ready(), ending(), unready()) == [
        CHOSEN,
        Verdict.TERMINATING,
        Verdict.NOT_READY,
    ]


def test_those_that_end_serve_when_they_are_the_last() -> None:
    assert verdicts(ending(), unready()) == [CHOSEN, Verdict.NOT_READY]


def test_local_means_this_node_and_those_of_no_node() -> None:
    assert verdicts(ready("w1"), ready("w2"), ready(""), variant=LOCAL) == [
        CHOSEN,
        Verdict.OTHER_NODE,
        CHOSEN,
    ]


def test_a_local_one_that_ends_serves_where_the_ready_ones_are_elsewhere() -> None:
    places = ending("w1"), ready("w2")

    assert verdicts(*places, variant=LOCAL) == [CHOSEN, Verdict.OTHER_NODE]
    assert verdicts(*places, variant=ALL) == [Verdict.TERMINATING, CHOSEN]


def test_hints_keep_endpoints_of_other_zones_away_where_this_zone_has_some() -> None:
    places = ready(zones=("a", "c")), ready(zones=("b",))

    assert verdicts(*places, follows_hints=True) == [CHOSEN, Verdict.OTHER_ZONE_HINTED]
    assert verdicts(*places, follows_hints=False) == [CHOSEN, CHOSEN]


def test_hints_that_leave_nothing_are_ignored() -> None:
    assert verdicts(ready(zones=("b",)), ready(zones=("c",)), follows_hints=True) == [CHOSEN] * 2


def test_hints_are_ignored_while_a_ready_endpoint_has_none() -> None:
    places = ready(zones=("a",)), ready(zones=("b",)), ready()

    assert verdicts(*places, follows_hints=True) == [CHOSEN] * 3


def test_an_endpoint_that_ends_need_have_no_hint() -> None:
    places = ready(zones=("a",)), ready(zones=("b",)), ending()

    assert verdicts(*places, follows_hints=True) == [
        CHOSEN,
        Verdict.OTHER_ZONE_HINTED,
        Verdict.TERMINATING,
    ]


def test_a_hint_for_this_node_comes_before_those_for_its_zone() -> None:
    near = ready(zones=("a",), nodes=("w1",))
    far = ready("w2", zones=("a",), nodes=("w2",))

    assert verdicts(near, far, follows_hints=True) == [CHOSEN, Verdict.OTHER_NODE_HINTED]
    assert verdicts(far, follows_hints=True) == [CHOSEN], "none for this node: its zone's"


def test_hints_do_not_narrow_a_local_policy() -> None:
    places = ready(zones=("a",)), ready(zones=("b",))

    assert verdicts(*places, variant=LOCAL, follows_hints=True) == [CHOSEN] * 2


def test_a_node_without_a_zone_uses_all() -> None:
    nowhere = NodeFacts("w1")

    assert verdicts(ready(zones=("a",)), node=nowhere, follows_hints=True) == [CHOSEN]


@pytest.mark.parametrize(
    ("port", "found", "is_of"),
    [
        (HTTP, SlicePort("http", TCP, 8080), True),
        (HTTP, SlicePort("http", UDP, 8080), False),
        (HTTP, SlicePort("", TCP, 8080), False),
        (HTTP, SlicePort("metrics", TCP, 8080), False),
        (ServicePort("", TCP, 80), SlicePort("", TCP, 8080), True),
        (ServicePort("", TCP, 80), SlicePort("any", TCP, 8080), True),
    ],
)
def test_ports_are_matched_by_name_and_protocol(
    port: ServicePort, found: SlicePort, *, is_of: bool
) -> None:
    assert is_port_of(port, found) is is_of


def test_an_address_in_two_slices_is_one_backend() -> None:
    moving = [
        known_slice(endpoint("10.0.1.5", conditions=ENDING), name="old"),
        known_slice("10.0.1.5", "10.0.1.6", name="new"),
    ]
    found = Candidates(moving, HTTP, 4)

    tail = (8080).to_bytes(2, "big") + bytes((TCP,))
    assert found.at(found.places) == [octets("10.0.1.5") + tail, octets("10.0.1.6") + tail]


def test_numbers_of_a_named_port_may_differ_by_slice() -> None:
    slices = [
        known_slice("10.0.1.5", name="a", ports=[{"name": "http", "port": 8080}]),
        known_slice("10.0.1.6", name="b", ports=[{"name": "http", "port": 9090}]),
    ]
    found = Candidates(slices, HTTP, 4)

    assert {int.from_bytes(each[16:18], "big") for each in found.at(found.places)} == {8080, 9090}


def told(slices: list[KnownSlice], variant: Variant = ALL) -> list[tuple[str, Verdict]]:
    judged: list[Judged] = list(
        judge_all(slices, HTTP, 4, variant=variant, node=NODE, follows_hints=False)
    )
    names = {octets(f"10.0.1.{n}"): f"10.0.1.{n}" for n in range(1, 9)}
    return [(names.get(each.address, each.text), each.verdict) for each in judged]


def test_every_endpoint_of_a_service_has_a_verdict() -> None:
    slices = [
        known_slice(
            "10.0.1.1",
            endpoint("10.0.1.2", conditions=ENDING),
            endpoint("10.0.1.3", conditions=GONE),
            endpoint("10.0.1.4", node="w2"),
            endpoint("10.0.1.5", conditions=UNREADY),
            "127.0.0.1",
        ),
        known_slice("10.0.1.6", ports=[{"name": "metrics", "port": 1}]),
        known_slice("fd00::5", family="IPv6"),
    ]

    assert told(slices, LOCAL) == [
        ("10.0.1.1", CHOSEN),
        ("10.0.1.2", Verdict.TERMINATING),
        ("10.0.1.3", Verdict.NOT_READY),
        ("10.0.1.4", Verdict.OTHER_NODE),
        ("10.0.1.5", Verdict.NOT_READY),
        ("127.0.0.1: is loopback", Verdict.REFUSED),
        ("10.0.1.6", Verdict.NO_SUCH_PORT),
        ("", Verdict.WRONG_FAMILY),
    ]
