"""Which Services may have one address."""

from typing import Any

import pytest
from tests.unit.load_balancer_ipam.objects import request

from ciliate.load_balancer_ipam.sharing import Sharing, obstacle

ACROSS = "lbipam.cilium.io/sharing-cross-namespace"


def sharing(port: int = 80, *, key: str = "k", across: str = "", **parts: Any) -> Sharing:
    ports = parts.pop("ports", [(port, "TCP")])
    annotations = {"lbipam.cilium.io/sharing-key": key, ACROSS: across}
    return request(ports=ports, annotations=annotations, **parts).sharing


LOCAL: dict[str, Any] = {"external_traffic_policy": "Local", "selector": {"app": "a"}}


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (sharing(443), ""),
        (sharing(80, ports=[(80, "UDP")]), ""),
        (sharing(80), "both have port 80/TCP"),
        (sharing(443, ports=[(443, "TCP"), (80, "TCP")]), "both have port 80/TCP"),
        (sharing(443, key="other"), "sharing keys differ"),
        (sharing(443, key=""), "sharing keys differ"),
        (sharing(443, namespace="shop"), "two namespaces"),
        (sharing(443, namespace="shop", across="*"), "two namespaces"),
        (sharing(443, **LOCAL), "externalTrafficPolicy differs"),
    ],
)
def test_services_share_by_key_namespace_ports_and_policy(other: Sharing, told: str) -> None:
    one = sharing(80)

    for found in (obstacle(one, other), obstacle(other, one)):
        assert told in found
        assert bool(found) == bool(told)


@pytest.mark.parametrize(
    ("mine", "others", "shared"),
    [
        ("shop", "default", True),
        ("*", "*", True),
        ("a,shop", "default,b", True),
        ("shop", "b", False),
        ("", "*", False),
    ],
)
def test_both_must_name_the_others_namespace(mine: str, others: str, *, shared: bool) -> None:
    one = sharing(80, across=mine)
    other = sharing(443, namespace="shop", across=others)

    assert (obstacle(one, other) == "") is shared


def test_local_services_share_when_their_endpoints_are_the_same_pods() -> None:
    one = sharing(80, **LOCAL)

    assert obstacle(one, sharing(443, **LOCAL)) == ""
    assert "same pods" in obstacle(one, sharing(443, **{**LOCAL, "selector": {"app": "b"}}))
    without = {**LOCAL, "selector": {}}
    assert "same pods" in obstacle(sharing(80, **without), sharing(443, **without))


def test_services_without_a_key_share_nothing() -> None:
    assert obstacle(sharing(80, key=""), sharing(443, key="")) == "sharing keys differ"
