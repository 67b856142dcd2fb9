"""What statuses say, and the patches that have them say it."""

from datetime import UTC, datetime
from typing import Any

from msgspec import convert, structs
from tests.unit.load_balancer_ipam.objects import pool, service

from ciliate.api.metadata import Condition
from ciliate.api.service import LoadBalancerIngress, LoadBalancerStatus, Service, ServiceStatus
from ciliate.load_balancer_ipam.allocator import Outcome
from ciliate.load_balancer_ipam.pools import read_pool
from ciliate.load_balancer_ipam.requests import NOTHING, Shortage
from ciliate.load_balancer_ipam.statuses import (
    OF_POOLS,
    cleared_patch,
    is_marked,
    pool_verdict,
    service_patch,
    service_verdict,
    shown_service_verdict,
)
from ciliate.net.address import ip_address

NOW = datetime(2026, 11, 29, 16, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
OTHER = Condition(
    type="example.com/Seen", reason="Seen", last_transition_time="2026-11-01T00:00:00Z"
)
HAS = Outcome((ip_address("192.0.2.1"),), NOTHING, is_satisfied=True)
LACKS = Outcome((), Shortage("no_pool", "no pool for it"), is_satisfied=False)


def after(made: Service, patch: dict[str, Any]) -> Service:
    status = dict(patch["status"])
    ingress = status.pop("loadBalancer")["ingress"] or ()
    conditions = convert(status["conditions"] or (), tuple[Condition, ...])
    balancer = LoadBalancerStatus(convert(ingress, tuple[LoadBalancerIngress, ...]))
    return structs.replace(made, status=ServiceStatus(balancer, conditions))


def test_service_says_its_addresses_and_that_it_is_satisfied() -> None:
    made = service()
    verdict = service_verdict(HAS, 3)

    patch = service_patch(made, verdict, NOW)

    assert patch == {
        "metadata": {"resourceVersion": "7"},
        "status": {
            "loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]},
            "conditions": [
                {
                    "type": "cilium.io/IPAMRequestSatisfied",
                    "status": "True",
                    "observedGeneration": 3,
                    "reason": "satisfied",
                    "message": "",
                    "lastTransitionTime": "2026-11-29T16:00:00Z",
                }
            ],
        },
    }
    assert shown_service_verdict(made) is None
    assert shown_service_verdict(after(made, patch)) == verdict


def test_time_of_the_condition_is_that_of_its_last_change() -> None:
    made = after(service(), service_patch(service(), service_verdict(HAS, 1), NOW))

    same = service_patch(made, service_verdict(HAS, 2), LATER)
    other = service_patch(made, service_verdict(LACKS, 2), LATER)

    assert same["status"]["conditions"][0]["lastTransitionTime"] == "2026-11-29T16:00:00Z"
    assert other["status"]["conditions"][0]["lastTransitionTime"] == "2026-11-30T16:00:00Z"
    assert other["status"]["loadBalancer"] == {"ingress": None}


def test_conditions_of_others_and_fields_of_an_address_stay() -> None:
    proxied = LoadBalancerIngress(ip="192.0.2.1", ip_mode="Proxy")
    made = structs.replace(
        service(), status=ServiceStatus(LoadBalancerStatus((proxied,)), (OTHER,))
    )

    patch = service_patch(made, service_verdict(HAS, 1), NOW)

    assert patch["status"]["loadBalancer"]["ingress"] == [{"ip": "192.0.2.1", "ipMode": "Proxy"}]
    assert patch["status"]["conditions"][0] == {
        "type": "example.com/Seen",
        "status": "Unknown",
        "reason": "Seen",
        "message": "",
        "lastTransitionTime": "2026-11-01T00:00:00Z",
    }
    cleared = after(made, cleared_patch(after(made, patch)))
    assert cleared.status == ServiceStatus(conditions=(OTHER,))
    assert not is_marked(cleared)


def test_satisfied_with_one_of_two_families_says_which_is_missing() -> None:
    found = Outcome(HAS.addresses, Shortage("no_pool", "none has IPv6"), is_satisfied=True)

    verdict = service_verdict(found, 1)

    assert verdict.reason == "satisfied"
    assert verdict.message == (
        "one family is enough (ipFamilyPolicy PreferDualStack); none has IPv6"
    )


def test_pool_says_its_numbers_and_that_nothing_is_wrong() -> None:
    made = pool("192.0.2.0/24")

    verdict = pool_verdict(read_pool(made), used=3, left=253)

    assert list(verdict.conditions) == [
        ("cilium.io/PoolConflict", "False", "resolved", ""),
        ("cilium.io/IPsTotal", "Unknown", "noreason", "256"),
        ("cilium.io/IPsAvailable", "Unknown", "noreason", "253"),
        ("cilium.io/IPsUsed", "Unknown", "noreason", "3"),
        ("ciliate.io/Accepted", "True", "Accepted", "every block can be used"),
        ("ciliate.io/OverlapsCluster", "False", "Apart", ""),
    ]
    assert [kind for kind, *_ in verdict.conditions] == list(OF_POOLS)


def test_pool_that_is_wrong_says_where() -> None:
    found = pool_verdict(read_pool(pool("192.0.2.0/24", "192.0.2.x")), used=0, left=256)

    assert found.conditions[4] == (
        "ciliate.io/Accepted",
        "False",
        "Invalid",
        (
            'spec.blocks[1].start: "192.0.2.x" is no address: write an address such as 192.0.2.1 or'
            " 2001:db8::1; nothing is given out of this pool, and Services keep what they have"
        ),
    )


def test_pool_with_addresses_of_the_cluster_says_whose() -> None:
    found = pool_verdict(read_pool(pool("192.0.2.0/24")), used=0, left=256, overlap="a node's")

    assert found.conditions[5] == ("ciliate.io/OverlapsCluster", "True", "Overlap", "a node's")


def test_huge_numbers_are_whole() -> None:
    found = pool_verdict(read_pool(pool("2001:db8::/64")), used=1, left=2**64 - 1)

    assert found.conditions[2][3] == "18446744073709551615"
