"""Both ends of a way put together: does it arrive, and do both directions agree?"""

from typing import Any

import msgspec
import pytest

from ciliate.cli.path.journey import FarEnd, NearEnd, compare, journey
from ciliate.cli.path.model import Journey, Manner, Receipt, Step, Way

A, B = frozenset({"192.168.10.100"}), frozenset({"192.168.10.101", "10.244.1.1"})
NEAR = NearEnd("a", A)
DIRECT = Way(
    destination="10.244.1.9",
    manner=Manner.DIRECT,
    steps=(Step(at="route", says="10.244.1.0/24 via 192.168.10.101"),),
    device="eth1",
    next_hop="192.168.10.101",
    mtu=1500,
)
TUNNEL = Way(
    destination="10.244.1.9",
    manner=Manner.TUNNEL,
    device="eth1",
    mtu=1450,
    tunnel="vxlan:8472",
    outer_source="192.168.10.100",
    outer_destination="192.168.10.101",
)
RECEIPT = Receipt(
    sender="10.244.0.7",
    receiver="10.244.1.9",
    devices=("eth0", "eth1"),
    tunnel="vxlan:8472",
    tunnel_device="cilium_vxlan",
    tunnel_ends=("192.168.10.101",),
    steps=(Step(at="endpoints", says="10.244.1.9 is endpoint 9"),),
)


def changed(value: Any, **fields: object) -> Any:
    return msgspec.structs.replace(value, **fields)


def far(**fields: object) -> FarEnd:
    return FarEnd("b", B, changed(RECEIPT, **fields), "eth1")


def went(way: Way, end: FarEnd | None) -> Journey:
    return journey("one", "other", NEAR, way, end)


def test_direct_way_arrives_at_the_device_that_leads_back() -> None:
    found = went(DIRECT, far())

    assert [(step.node, step.at) for step in found.steps] == [
        ("a", "route"),
        ("b", "eth1"),
        ("b", "endpoints"),
    ]
    assert (found.problem, found.router, found.mtu) == ("", "", 1500)


def test_unknown_device_at_the_far_end_is_one_of_those_with_programs() -> None:
    end = FarEnd("b", B, RECEIPT)

    assert went(DIRECT, end).steps[1].at == "eth0 or eth1"


def test_tunnel_arrives_by_the_device_and_out_of_the_tunnel() -> None:
    found = went(TUNNEL, far())

    assert [step.at for step in found.steps] == ["eth1", "cilium_vxlan", "endpoints"]
    assert found.problem == ""


def test_router_between_is_a_step_of_no_node() -> None:
    found = went(changed(DIRECT, next_hop="192.168.10.200"), far())

    assert found.router == "192.168.10.200"
    assert ("", "192.168.10.200") in [(step.node, step.at) for step in found.steps]


def test_pod_of_the_same_node_needs_no_other_end() -> None:
    local = changed(DIRECT, manner=Manner.POD, next_hop="")

    assert went(local, far(problem="not asked")).problem == ""


@pytest.mark.parametrize(
    ("way", "fields", "problem"),
    [
        (DIRECT, {"devices": ()}, "no device of b runs the programs"),
        (TUNNEL, {"tunnel": ""}, "b has no tunnel, and this one is sent in vxlan:8472"),
        (TUNNEL, {"tunnel": "geneve:6081"}, "b takes packets out of geneve:6081"),
        (TUNNEL, {"tunnel": "vxlan:8473"}, "b takes packets out of vxlan:8473"),
        (TUNNEL, {"tunnel_ends": ("10.0.0.1",)}, "b ends the tunnel at 10.0.0.1, not at"),
        (changed(TUNNEL, outer_source="10.0.2.15"), {}, "10.0.2.15 is no address of a node"),
        (DIRECT, {"problem": "lxc9 is down"}, "lxc9 is down"),
        (changed(DIRECT, problem="eth1 is down"), {}, "eth1 is down"),
    ],
)
def test_what_does_not_arrive_has_a_reason(
    way: Way, fields: dict[str, object], problem: str
) -> None:
    assert problem in went(way, far(**fields)).problem


def test_way_out_of_the_cluster_leaves_it() -> None:
    assert went(DIRECT, None).leaves
    assert not went(changed(DIRECT, node="192.168.10.101"), None).leaves


def test_ways_that_agree_have_no_finding() -> None:
    assert list(compare(went(TUNNEL, far()), went(TUNNEL, far()))) == []


@pytest.mark.parametrize(
    ("there", "back", "problem"),
    [
        (
            TUNNEL,
            changed(DIRECT, mtu=1450),
            "from one the way is by VXLAN, back by direct routes",
        ),
        (
            DIRECT,
            changed(DIRECT, mtu=1400),
            "packets of up to 1500 bytes go from one, of up to 1400",
        ),
        (changed(DIRECT, next_hop="192.168.10.200"), DIRECT, "goes by the router 192.168.10.200"),
        (DIRECT, changed(DIRECT, next_hop="192.168.10.200"), "goes by the router 192.168.10.200"),
    ],
)
def test_ways_that_differ_have_one_finding(there: Way, back: Way, problem: str) -> None:
    (found,) = compare(went(there, far()), went(back, far()))

    assert problem in found.problem
    assert found.remedy


def test_way_that_is_lost_is_the_only_finding() -> None:
    lost = went(changed(DIRECT, problem="eth1 is down", mtu=1400), far())

    (found,) = compare(went(TUNNEL, far()), lost)

    assert "eth1 is down" in found.problem
