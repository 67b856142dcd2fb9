"""Which prefixes advertisements announce here, and what they carry."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from tests.unit.bgp.objects import ALL, CIDR_V4, WEB, advertisement, pod_cidr, services

from ciliate.api.bgp import (
    Advertised,
    AdvertisedInterface,
    CiliumBGPAdvertisement,
    Communities,
    RouteAttributes,
)
from ciliate.api.metadata import LabelExpression, LabelSelector, ObjectMeta
from ciliate.bgp.announcements import Announceable, Pool, announcements

HERE = Announceable(pod_cidrs=(CIDR_V4,), services=(WEB,))


def prefixes(*things: Advertised, here: Announceable = HERE, version: int = 4) -> list[str]:
    found, problems = announcements(ALL, [advertisement(*things)], here, version)
    assert problems == []
    return [str(each.prefix) for each in found]


def test_only_selected_advertisements_count() -> None:
    other = CiliumBGPAdvertisement(ObjectMeta(name="other"), advertisement(pod_cidr()).spec)

    assert announcements(ALL, [other], HERE, 4) == ([], [])
    assert prefixes(pod_cidr()) == ["10.1.0.0/24"]


def test_a_family_has_its_own_prefixes_alone() -> None:
    assert prefixes(services("LoadBalancerIP")) == ["198.51.100.1/32"]
    assert prefixes(services("LoadBalancerIP"), version=6) == ["2001:db8:2::1/128"]


def test_services_are_announced_by_the_kinds_of_addresses_that_are_named() -> None:
    assert prefixes(services("ClusterIP", "ExternalIP")) == ["10.96.0.1/32", "203.0.113.1/32"]


@pytest.mark.parametrize(
    ("selector", "count"),
    [
        (None, 0),
        (LabelSelector(), 1),
        (LabelSelector({"app": "web"}), 1),
        (LabelSelector({"app": "other"}), 0),
        (LabelSelector({"io.kubernetes.service.name": "web"}), 1),
        (
            LabelSelector(
                match_expressions=(
                    LabelExpression("io.kubernetes.service.namespace", "NotIn", ("shop",)),
                )
            ),
            0,
        ),
    ],
)
def test_services_are_selected_by_labels_and_names(
    selector: LabelSelector | None, count: int
) -> None:
    assert len(prefixes(services("ExternalIP", selector=selector))) == count


def test_only_nodes_that_serve_a_service_announce_it() -> None:
    edge = replace(WEB, nodes=LabelSelector({"edge": "yes"}))
    wanted = services("ExternalIP")

    assert prefixes(wanted, here=Announceable(services=(edge,))) == []
    assert prefixes(wanted, here=Announceable(services=(edge,), labels={"edge": "yes"})) != []


def test_a_local_policy_announces_with_an_endpoint_here_alone_and_never_a_larger_prefix() -> None:
    local = replace(WEB, external_is_local=True)
    without, with_one = (
        Announceable(services=(local,), local_services=keys)
        for keys in (frozenset[tuple[tuple[str, str], int]](), {(WEB.key, 4)})
    )
    wanted = services("LoadBalancerIP", "ClusterIP", aggregation_length_ipv4=24)

    assert prefixes(wanted, here=without) == ["10.96.0.0/24"]
    assert prefixes(wanted, here=with_one) == ["10.96.0.0/24", "198.51.100.1/32"]
    assert prefixes(wanted, here=with_one, version=6) == []


def test_addresses_are_aggregated_where_asked_for() -> None:
    assert prefixes(services("LoadBalancerIP", aggregation_length_ipv4=0)) == ["0.0.0.0/0"]


def test_pools_are_selected_by_labels_and_name() -> None:
    held = Announceable(
        pools=(Pool("blue", {"color": "blue"}, (CIDR_V4,)), Pool("red", {}, ())),
    )
    by_label, by_name, none = (
        Advertised(advertisement_type="CiliumPodIPPool", selector=selector)
        for selector in (
            LabelSelector({"color": "blue"}),
            LabelSelector({"io.cilium.podippool.name": "blue"}),
            None,
        )
    )

    assert prefixes(by_label, here=held) == prefixes(by_name, here=held) == ["10.1.0.0/24"]
    assert prefixes(none, here=held) == []


def test_a_devices_addresses_are_announced_but_those_that_stay_inside() -> None:
    inner = ("127.0.0.1", "169.254.0.1", "192.0.2.7")
    held = Announceable(interfaces={"lo": tuple(map(ip_address, inner))})
    device = Advertised(advertisement_type="Interface", interface=AdvertisedInterface("lo"))

    assert prefixes(device, here=held) == ["192.0.2.7/32"]
    assert prefixes(device) == []


def test_two_that_announce_one_prefix_are_one_with_all_marks_and_the_highest_preference() -> None:
    def marked(community: str, preference: int | None) -> Advertised:
        return pod_cidr(RouteAttributes(Communities(standard=(community,)), preference))

    found, _problems = announcements(
        ALL, [advertisement(marked("1:1", 50), marked("1:2", None), marked("1:3", 90))], HERE, 4
    )

    (one,) = found
    assert one.communities == {"1:1", "1:2", "1:3"}
    assert one.local_preference == 90


def test_what_cannot_be_read_is_left_out_by_itself_and_named() -> None:
    wrong = pod_cidr(RouteAttributes(Communities(standard=("70000:1",))))

    found, problems = announcements(ALL, [advertisement(wrong, services("ExternalIP"))], HERE, 4)

    assert [str(each.prefix) for each in found] == ["203.0.113.1/32"]
    (problem,) = problems
    assert "CiliumBGPAdvertisement all: spec.advertisements[0].attributes" in problem
    assert '"70000:1"' in problem
