"""`lab/controllers/zone_shares.py`: each zone uses its part of the endpoints, or nobody a part."""

from collections import Counter

import msgspec
import pytest
from tests.unit.lab.controllers.pod_samples import node

from ciliate.api.endpoint_slice import Endpoint, EndpointConditions
from ciliate.lab.controllers.zone_shares import share_out, zone_ratios
from ciliate.lab.objects import Node


def zoned(name: str, zone: str, cpu: str, **labels: str) -> Node:
    found = node(name, labels={"topology.kubernetes.io/zone": zone, **labels})
    return msgspec.structs.replace(found, status={**found.status, "allocatable": {"cpu": cpu}})


def endpoints(**zones: int) -> dict[str, Endpoint]:
    return {
        f"{zone}{number}": Endpoint(zone=zone, conditions=EndpointConditions(ready=True))
        for zone, count in zones.items()
        for number in range(count)
    }


def test_ratios_are_of_the_processors_of_ready_workers() -> None:
    control_plane = {"node-role.kubernetes.io/control-plane": ""}
    nodes = [
        zoned("n1", "a", "2"),
        zoned("n2", "a", "1000m"),
        zoned("n3", "b", "1"),
        zoned("cp", "c", "64", **control_plane),
    ]

    assert zone_ratios(nodes) == {"a": 0.75, "b": 0.25}
    assert zone_ratios(nodes[:2]) == {}, "one zone has nothing to share"
    assert zone_ratios([*nodes, zoned("n4", "", "1")]) == {}, "a node without a zone"


@pytest.mark.parametrize(
    ("have", "shares"),
    [
        ({"a": 3, "b": 3}, {"a": 3, "b": 3}),
        ({"a": 5, "b": 1}, {"a": 3, "b": 3}),
        ({"a": 4, "b": 3}, {"a": 4, "b": 3}),
        ({"a": 4}, {"a": 2, "b": 2}),
    ],
)
def test_zones_with_too_many_give_to_those_with_too_few(
    have: dict[str, int], shares: dict[str, int]
) -> None:
    found = share_out(endpoints(**have), {"a": 0.5, "b": 0.5})

    assert Counter(found.values()) == shares
    assert found == share_out(endpoints(**have), {"a": 0.5, "b": 0.5}), "the same each time"


@pytest.mark.parametrize(
    ("have", "ratios"),
    [
        ({"a": 1}, {"a": 0.5, "b": 0.5}),
        ({"a": 2, "b": 2, "c": 1}, {"a": 0.5, "b": 0.5}),
        ({"a": 1, "b": 1, "c": 1}, {"a": 0.5, "b": 0.45, "c": 0.05}),
        ({"a": 4}, {}),
    ],
)
def test_where_no_fair_share_is_possible_nobody_gets_a_hint(
    have: dict[str, int], ratios: dict[str, float]
) -> None:
    assert share_out(endpoints(**have), ratios) == {}
