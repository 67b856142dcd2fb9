"""Addresses and ports of Services: given once, and kept by replacements."""

from copy import deepcopy
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import pytest

from ciliate.apiserver.defaults import default_service
from ciliate.apiserver.errors import StatusError
from ciliate.apiserver.replacements import keep_given
from ciliate.apiserver.service_checks import check_service
from ciliate.apiserver.services import ServiceAllocator


@pytest.fixture
def allocator() -> ServiceAllocator:
    return ServiceAllocator(
        {"IPv4": IPv4Network("10.96.0.0/24"), "IPv6": IPv6Network("fd00:96::/112")}
    )


def service(name: str = "s", /, **spec: Any) -> dict[str, Any]:
    content = {"type": "ClusterIP", "ports": [{"name": "a", "port": 80, "protocol": "TCP"}]}
    return {"metadata": {"name": name, "uid": f"uid-{name}"}, "spec": {**content, **spec}}


def made(allocator: ServiceAllocator, obj: dict[str, Any]) -> dict[str, Any]:
    allocator.creating(obj, dry_run=False)
    allocator.written(obj)
    return obj


def replaced(allocator: ServiceAllocator, old: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """Return what becomes of a Service that a file without its addresses replaces."""
    new = service(old["metadata"]["name"], **spec)
    keep_given("services", new, old, "")
    allocator.updating(new, old, dry_run=False)
    allocator.written(new)
    return new


PORTS = [
    {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    {"name": "dns-udp", "port": 53, "protocol": "UDP"},
    {"name": "web", "port": 80, "protocol": "TCP"},
]


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"ipFamilyPolicy": "RequireDualStack"},
        {"ipFamilies": ["IPv6"]},
        {"clusterIP": "None"},
        {"type": "NodePort", "ports": PORTS},
        {"type": "LoadBalancer", "ports": PORTS, "externalTrafficPolicy": "Local"},
    ],
)
def test_a_replacement_without_addresses_and_ports_keeps_them(
    allocator: ServiceAllocator, spec: dict[str, Any]
) -> None:
    old = made(allocator, service(**deepcopy(spec)))
    # What identifies the family may be left out as well.
    again = {k: deepcopy(v) for k, v in spec.items() if k in {"type", "ports"}}
    if "externalTrafficPolicy" in spec:
        again["externalTrafficPolicy"] = "Local"

    new = replaced(allocator, deepcopy(old), **again)

    assert new["spec"] == old["spec"]


def test_a_port_keeps_its_number_by_name_and_gives_it_to_no_other(
    allocator: ServiceAllocator,
) -> None:
    old = made(allocator, service(type="NodePort", ports=deepcopy(PORTS[:1])))
    number = old["spec"]["ports"][0]["nodePort"]

    moved = [{"name": "dns-tcp", "port": 5353, "protocol": "TCP"}]
    new = replaced(allocator, old, type="NodePort", ports=moved)
    taken = [
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
        {"name": "other", "port": 54, "protocol": "TCP", "nodePort": number},
    ]
    then = replaced(allocator, new, type="NodePort", ports=taken)

    assert new["spec"]["ports"][0]["nodePort"] == number
    assert then["spec"]["ports"][0]["nodePort"] != number


def test_one_port_of_two_protocols_has_one_node_port(allocator: ServiceAllocator) -> None:
    tcp, udp, web = made(allocator, service(type="NodePort", ports=deepcopy(PORTS)))["spec"][
        "ports"
    ]

    assert tcp["nodePort"] == udp["nodePort"] != web["nodePort"]


@pytest.mark.parametrize(
    ("ports", "problem"),
    [
        (
            [
                {"name": "a", "port": 80, "protocol": "TCP", "nodePort": 30080},
                {"name": "b", "port": 81, "protocol": "TCP", "nodePort": 30080},
            ],
            r"spec\.ports\[1\]\.nodePort: Duplicate value: 30080",
        ),
        ([{"port": 80, "protocol": "TCP", "nodePort": 80}], "not in the valid range"),
        ([{"port": 80, "protocol": "TCP", "nodePort": 31000}], "already allocated"),
    ],
)
def test_a_node_port_is_given_once(
    allocator: ServiceAllocator, ports: list[dict[str, Any]], problem: str
) -> None:
    held = [{"port": 1, "protocol": "TCP", "nodePort": 31000}]
    made(allocator, service("other", type="NodePort", ports=held))

    with pytest.raises(StatusError, match=problem):
        made(allocator, service(type="NodePort", ports=ports))


def test_a_given_port_is_never_one_that_a_later_port_asks_for(
    allocator: ServiceAllocator,
) -> None:
    asked = [{"port": p, "protocol": "TCP", "nodePort": p} for p in range(30001, 32768)]

    ports = made(
        allocator, service(type="NodePort", ports=[{"port": 1, "protocol": "TCP"}, *asked])
    )["spec"]["ports"]

    assert ports[0]["nodePort"] == 30000


@pytest.mark.parametrize("spelling", ["fd00:96::0:a", "fd00:0096::a", "FD00:96::A"])
def test_an_address_is_given_once_however_it_is_written(
    allocator: ServiceAllocator, spelling: str
) -> None:
    made(allocator, service("one", clusterIP="fd00:96::a", ipFamilies=["IPv6"]))

    with pytest.raises(StatusError, match="provided IP is already allocated"):
        made(allocator, service("two", clusterIP=spelling, ipFamilies=["IPv6"]))


def test_what_a_service_gave_back_is_free(allocator: ServiceAllocator) -> None:
    one = made(allocator, service("one", clusterIP="10.96.0.10"))
    allocator.deleted(one)

    assert made(allocator, service("two", clusterIP="10.96.0.10"))["spec"]["clusterIP"]


@pytest.mark.parametrize("address", ["10.96.0.0", "10.96.0.255", "10.97.0.1"])
def test_addresses_that_are_no_hosts_of_the_range_are_refused(
    allocator: ServiceAllocator, address: str
) -> None:
    with pytest.raises(StatusError, match=f"failed to allocate IP {address}"):
        made(allocator, service(clusterIP=address))


def test_a_service_that_becomes_single_stack_gives_the_second_address_back(
    allocator: ServiceAllocator,
) -> None:
    old = made(allocator, service(ipFamilyPolicy="PreferDualStack"))
    spec = {k: deepcopy(v) for k, v in old["spec"].items() if k not in {"type", "ports"}}

    new = replaced(allocator, old, **{**spec, "ipFamilyPolicy": "SingleStack"})

    assert new["spec"]["clusterIPs"] == old["spec"]["clusterIPs"][:1]
    assert new["spec"]["ipFamilies"] == ["IPv4"]
    second = old["spec"]["clusterIPs"][1]
    assert made(allocator, service("two", clusterIP=second, ipFamilies=["IPv6"]))


def test_several_families_need_a_policy_for_them(allocator: ServiceAllocator) -> None:
    with pytest.raises(StatusError, match="when multiple IP families are specified"):
        made(allocator, service(ipFamilies=["IPv4", "IPv6"]))


def test_a_load_balancer_gets_node_ports_unless_it_wants_none(
    allocator: ServiceAllocator,
) -> None:
    none = made(
        allocator,
        service(type="LoadBalancer", ports=deepcopy(PORTS), allocateLoadBalancerNodePorts=False),
    )

    assert all("nodePort" not in port for port in none["spec"]["ports"])


def patched(allocator: ServiceAllocator, old: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return what becomes of a Service of which some fields are changed; None takes one out."""
    new = deepcopy(old)
    spec = {**new["spec"], **changes}
    new["spec"] = {name: value for name, value in spec.items() if value is not None}
    keep_given("services", new, old, "")
    default_service(new)
    assert check_service(new, old) == []
    allocator.updating(new, old, dry_run=False)
    allocator.written(new)
    return new


def balancer(allocator: ServiceAllocator) -> dict[str, Any]:
    """A LoadBalancer with everything that only one has."""
    obj = service(
        type="LoadBalancer",
        ports=deepcopy(PORTS),
        externalTrafficPolicy="Local",
        loadBalancerClass="example.org/a",
        ipFamilyPolicy="PreferDualStack",
    )
    default_service(obj)
    obj["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.1", "ipMode": "VIP"}]}}
    return made(allocator, obj)


def test_a_change_of_type_gives_back_what_the_new_one_does_not_need(
    allocator: ServiceAllocator,
) -> None:
    old = balancer(allocator)
    health_port = old["spec"]["healthCheckNodePort"]
    node_port = old["spec"]["ports"][0]["nodePort"]

    new = patched(allocator, old, type="ClusterIP")

    assert new["spec"]["clusterIPs"] == old["spec"]["clusterIPs"]
    assert new["status"] == {"loadBalancer": {}}
    left = {"allocateLoadBalancerNodePorts", "externalTrafficPolicy", "healthCheckNodePort"}
    assert not {*left, "loadBalancerClass"} & new["spec"].keys()
    assert all("nodePort" not in port for port in new["spec"]["ports"])
    others = [{"port": 1, "protocol": "TCP", "nodePort": n} for n in (health_port, node_port)]
    made(allocator, service("other", type="NodePort", ports=others))


def test_an_external_name_has_no_address_and_gets_one_when_it_is_none_any_more(
    allocator: ServiceAllocator,
) -> None:
    old = balancer(allocator)
    address = old["spec"]["clusterIP"]

    name = patched(allocator, old, type="ExternalName", externalName="example.org")

    assert name["spec"].keys() == {"type", "externalName", "ports", "sessionAffinity"}
    made(allocator, service("other", clusterIP=address))
    again = patched(allocator, name, type="NodePort", externalName=None)
    assert again["spec"]["ipFamilyPolicy"] == "SingleStack"
    assert again["spec"]["clusterIP"] not in {address, "", None}
    assert again["spec"]["ports"][0]["nodePort"]
    assert again["spec"]["internalTrafficPolicy"] == "Cluster"


def test_policies_add_and_release_the_second_family(allocator: ServiceAllocator) -> None:
    one = made(allocator, service())

    two = patched(allocator, one, ipFamilyPolicy="RequireDualStack")

    assert two["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    assert two["spec"]["clusterIPs"][0] == one["spec"]["clusterIP"]
    with pytest.raises(StatusError, match="must be 'SingleStack' to release the secondary IP"):
        patched(allocator, two, ipFamilies=["IPv4"])
    back = patched(allocator, two, ipFamilyPolicy="SingleStack")
    assert back["spec"]["clusterIPs"] == [one["spec"]["clusterIP"]]


def test_two_families_are_required_where_there_is_one() -> None:
    single = ServiceAllocator({"IPv4": IPv4Network("10.96.0.0/24")})

    with pytest.raises(StatusError, match="this cluster is not configured for dual-stack"):
        made(single, service(ipFamilyPolicy="RequireDualStack"))
    preferred = made(single, service(ipFamilyPolicy="PreferDualStack"))
    assert preferred["spec"]["ipFamilies"] == ["IPv4"]


def test_a_headless_service_without_a_selector_has_both_families_anywhere() -> None:
    single = ServiceAllocator({"IPv4": IPv4Network("10.96.0.0/24")})

    free = made(single, service("free", clusterIP="None"))
    selecting = made(single, service("selecting", clusterIP="None", selector={"app": "web"}))

    assert free["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    assert free["spec"]["ipFamilyPolicy"] == "RequireDualStack"
    assert selecting["spec"]["ipFamilies"] == ["IPv4"]
    assert (free["spec"]["clusterIP"], free["spec"]["clusterIPs"]) == ("None", ["None"])


def test_the_start_of_each_range_is_given_last() -> None:
    allocator = ServiceAllocator({"IPv4": IPv4Network("10.96.0.0/27")}, range(30000, 30064))

    given = [
        made(allocator, service(f"s{number}", type="NodePort", ports=[{"port": 1}]))["spec"]
        for number in range(30)
    ]

    addresses = [int(spec["clusterIP"].rpartition(".")[2]) for spec in given]
    ports = [spec["ports"][0]["nodePort"] for spec in given]
    assert set(addresses[:14]) == set(range(17, 31)), "a sixteenth, and 16 at least, are kept"
    assert set(addresses[14:]) == set(range(1, 17))
    assert min(ports) >= 30016


def test_a_conflict_names_all_that_was_asked_for(allocator: ServiceAllocator) -> None:
    made(allocator, service("one", clusterIP="10.96.0.10"))

    with pytest.raises(StatusError) as caught:
        made(allocator, service("two", clusterIPs=["10.96.0.10"], ipFamilies=["IPv4"]))

    assert str(caught.value) == (
        'Service "two" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.10"]: failed to '
        "allocate IP 10.96.0.10: provided IP is already allocated"
    )
