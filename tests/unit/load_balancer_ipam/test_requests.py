"""Which Services get addresses here, and what they ask for."""

from typing import Any

import pytest
from tests.unit.load_balancer_ipam.objects import BOTH, IPV4, request, service

from ciliate.load_balancer_ipam.requests import ADDRESSES_MAX, is_ours
from ciliate.load_balancer_ipam.settings import LoadBalancerIPAMSettings

NONE = LoadBalancerIPAMSettings(enabled=True, takes_classless=False, versions=(4,))


@pytest.mark.parametrize(
    ("kind", "wanted", "settings", "ours"),
    [
        ("LoadBalancer", "", BOTH, True),
        ("LoadBalancer", "", NONE, False),
        ("LoadBalancer", "io.cilium/bgp-control-plane", NONE, True),
        ("LoadBalancer", "io.cilium/l2-announcer", BOTH, True),
        ("LoadBalancer", "example.com/other", BOTH, False),
        ("NodePort", "", BOTH, False),
        ("ClusterIP", "io.cilium/l2-announcer", BOTH, False),
    ],
)
def test_class_decides_whose_a_load_balancer_is(
    kind: str, wanted: str, settings: LoadBalancerIPAMSettings, *, ours: bool
) -> None:
    assert is_ours(service(type=kind, load_balancer_class=wanted), settings) is ours


@pytest.mark.parametrize(
    ("policy", "families", "settings", "versions", "needs_all", "problem"),
    [
        ("", (), BOTH, (4,), True, ""),
        ("SingleStack", (), BOTH, (4,), True, ""),
        ("SingleStack", ("IPv6",), BOTH, (6,), True, ""),
        ("SingleStack", ("IPv6",), IPV4, (), True, "family_disabled"),
        ("PreferDualStack", ("IPv6", "IPv4"), BOTH, (4, 6), False, ""),
        ("PreferDualStack", ("IPv4",), BOTH, (4,), False, ""),
        ("PreferDualStack", ("IPv4", "IPv6"), IPV4, (4,), False, ""),
        ("PreferDualStack", (), IPV4, (4,), False, ""),
        ("PreferDualStack", ("IPv6",), IPV4, (), False, "family_disabled"),
        ("RequireDualStack", ("IPv4", "IPv6"), BOTH, (4, 6), True, ""),
        ("RequireDualStack", (), IPV4, (4,), True, "family_disabled"),
    ],
)
def test_families_are_those_of_the_policy(
    policy: str,
    families: tuple[str, ...],
    settings: LoadBalancerIPAMSettings,
    versions: tuple[int, ...],
    *,
    needs_all: bool,
    problem: str,
) -> None:
    found = request(settings=settings, ip_family_policy=policy, ip_families=families)

    assert (found.versions, found.needs_all) == (versions, needs_all)
    assert found.problem.reason == problem


@pytest.mark.parametrize(
    ("annotations", "spec", "asked"),
    [
        ({"lbipam.cilium.io/ips": "192.0.2.1, 2001:db8::1"}, {}, ["192.0.2.1", "2001:db8::1"]),
        ({"io.cilium/lb-ipam-ips": "192.0.2.1"}, {}, ["192.0.2.1"]),
        ({"lbipam.cilium.io/ips": "192.0.2.2,192.0.2.2"}, {}, ["192.0.2.2"]),
        ({}, {"load_balancer_ip": "192.0.2.3"}, ["192.0.2.3"]),
        (
            {"lbipam.cilium.io/ips": "192.0.2.1", "io.cilium/lb-ipam-ips": "192.0.2.9"},
            {"load_balancer_ip": "192.0.2.3"},
            ["192.0.2.3", "192.0.2.1"],
        ),
        ({"lbipam.cilium.io/ips": " , "}, {}, []),
    ],
)
def test_addresses_are_asked_for_by_annotation_and_by_the_former_field(
    annotations: dict[str, str], spec: dict[str, Any], asked: list[str]
) -> None:
    found = request(annotations=annotations, **spec)

    assert [str(each) for each in found.asked] == asked
    assert found.problem.reason == ""


def test_word_that_is_no_address_is_told_with_where_it_stands() -> None:
    found = request(annotations={"lbipam.cilium.io/ips": "192.0.2.1,192.0.2.x"})

    assert [str(each) for each in found.asked] == ["192.0.2.1"]
    assert found.problem.reason == "invalid_ip"
    assert found.problem.message.startswith('lbipam.cilium.io/ips: "192.0.2.x" is no address')


def test_former_field_that_is_no_address_is_told_by_its_name() -> None:
    found = request(load_balancer_ip="nonsense").problem

    assert found.message.startswith('spec.loadBalancerIP: "nonsense" is no address')


def test_addresses_of_one_service_have_a_bound() -> None:
    many = ",".join(f"192.0.2.{number}" for number in range(ADDRESSES_MAX + 1))

    found = request(annotations={"lbipam.cilium.io/ips": many})

    assert len(found.asked) == ADDRESSES_MAX
    assert found.problem.reason == "invalid_ip"
    assert found.problem.message == (
        "lbipam.cilium.io/ips: 65 addresses, more than 64: ask for fewer"
    )
    fewer = many.rpartition(",")[0]
    assert request(annotations={"lbipam.cilium.io/ips": fewer}).problem.reason == ""


def test_selectors_of_pools_see_name_and_namespace() -> None:
    assert request("web", namespace="shop", labels={"color": "red"}).labels == {
        "color": "red",
        "io.kubernetes.service.name": "web",
        "io.kubernetes.service.namespace": "shop",
    }


def test_sharing_is_read_of_both_spellings() -> None:
    found = request(
        annotations={
            "io.cilium/lb-ipam-sharing-key": "k",
            "io.cilium/lb-ipam-sharing-cross-namespace": "a, b",
        }
    ).sharing

    assert (found.key, sorted(found.namespaces)) == ("k", ["a", "b"])
