"""src/ciliate/l2_announcements/plan.py: what a node may announce."""

from typing import Any

import pytest
from tests.unit.l2_announcements.objects import (
    ETH0,
    ETH1,
    EXTERNAL,
    LB4,
    LB6,
    labelled,
    node,
    policy,
    service,
)

from ciliate.api.metadata import LabelExpression, LabelSelector
from ciliate.l2_announcements.plan import (
    SERVICES_MAX,
    TARGETS_MAX,
    Device,
    leases_wanted,
    plan,
    policy_problem,
)
from ciliate.net.address import ip_address

WEB = ("default", "web")


def targets(*policies: Any, **fields: Any) -> set[tuple[Any, int]]:
    found = plan(policies, [service(**fields)], node())
    return set(found.candidates[WEB].targets) if found.candidates else set()


def test_every_address_of_the_kinds_asked_for_is_announced_at_every_device() -> None:
    balancers = {(LB4, ETH0.index), (LB4, ETH1.index)}
    externals = {(EXTERNAL, ETH0.index), (EXTERNAL, ETH1.index)}

    assert targets(policy()) == balancers
    assert targets(policy(load_balancer_ips=False, external_ips=True)) == externals
    assert targets(policy(external_ips=True)) == balancers | externals


def test_devices_are_those_that_an_expression_finds() -> None:
    assert targets(policy(interfaces=("^eth1$",))) == {(LB4, ETH1.index)}
    assert targets(policy(interfaces=("^ens",))) == set()


@pytest.mark.parametrize(
    "spec",
    [
        {"interfaces": ("(",)},
        {"load_balancer_ips": False},
        {"node_selector": labelled(rack="b")},
        {"service_selector": labelled(app="other")},
        {"service_selector": labelled(**{"io.kubernetes.service.namespace": "other"})},
    ],
)
def test_policies_that_are_wrong_or_select_others_announce_nothing(spec: dict[str, Any]) -> None:
    assert targets(policy(**spec)) == set()


@pytest.mark.parametrize(
    "selector",
    [
        labelled(**{"io.kubernetes.service.name": "web"}),
        labelled(app="shop"),
        LabelSelector(match_expressions=(LabelExpression("app", "In", ("shop", "x")),)),
        LabelSelector(),
    ],
)
def test_services_are_selected_by_labels_and_by_name(selector: LabelSelector) -> None:
    assert targets(policy(service_selector=selector), labels={"app": "shop"})


def test_policies_add_up() -> None:
    found = targets(policy("a", interfaces=("eth0",)), policy("b", interfaces=("eth1",)))

    assert found == {(LB4, ETH0.index), (LB4, ETH1.index)}


def test_local_services_are_announced_by_the_family_that_has_an_endpoint_here() -> None:
    both = service(load_balancer_ips=(LB4, LB6), external_is_local=True)

    nowhere = plan([policy()], [both], node())
    here = plan([policy()], [both], node(local={(WEB, 6)}, devices=(ETH1,)))

    assert nowhere.candidates == {}
    assert here.candidates[WEB].targets == {(LB6, ETH1.index)}


def test_an_address_that_services_share_has_one_lease_on_all_nodes() -> None:
    services = [service("web"), service("api", labels={"app": "api"})]

    found = plan([policy()], services, node())

    assert set(found.candidates) == {("default", "api")}


def test_services_of_other_nodes_are_left_out() -> None:
    assert plan([policy()], [service(nodes=labelled(rack="b"))], node()).candidates == {}


def test_a_node_takes_a_bounded_number_of_services_and_says_so() -> None:
    first = int(LB4)
    many = [
        service(f"s{number:05}", load_balancer_ips=(ip_address(first + number),))
        for number in range(SERVICES_MAX + 1)
    ]

    found = plan([policy()], many, node())

    assert len(found.candidates) == SERVICES_MAX
    assert f"Service default/s{SERVICES_MAX:05} and others" in found.problems[0]


def test_a_node_takes_a_bounded_number_of_addresses_at_devices() -> None:
    devices = tuple(Device(number, f"eth{number}", bytes(6)) for number in range(TARGETS_MAX))
    services = [service("a"), service("b", load_balancer_ips=(LB6,))]

    found = plan([policy()], services, node(devices=devices))

    assert set(found.candidates) == {("default", "a")}
    assert found.problems


def test_leases_are_wanted_for_what_any_node_may_announce() -> None:
    elsewhere = policy(node_selector=labelled(rack="b"))

    assert leases_wanted([elsewhere], [service()]) == {WEB: "cilium-l2announce-default-web"}
    assert leases_wanted([], [service()]) == {}
    assert leases_wanted([elsewhere], [service(load_balancer_ips=())]) == {}


def test_a_policy_without_a_kind_of_address_has_a_problem() -> None:
    assert "are both false" in policy_problem(policy(load_balancer_ips=False).spec)
    assert policy_problem(policy().spec) == ""
