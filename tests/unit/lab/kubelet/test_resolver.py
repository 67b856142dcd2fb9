"""`lab/kubelet/resolver.py`: a pod's resolv.conf, by its policy, its own settings and its node's."""

import pytest

from ciliate.lab.kubelet.resolver import (
    ResolverSettings,
    fitted,
    read_resolv_conf,
    resolver_settings,
)
from ciliate.lab.objects import Json, Pod, PodMeta, PodSpec

NODE = """\
# Written by hand.
domain company.example
nameserver 10.0.2.2
nameserver fd00::2
search company.example. other.example
options timeout:2 rotate
"""
OWN: Json = {
    "nameservers": ["9.9.9.9"],
    "searches": ["example.org"],
    "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
}
CLUSTER = (
    "search shop.svc.cluster.local svc.cluster.local cluster.local company.example other.example\n"
    "nameserver 10.96.0.10\n"
    "options ndots:5\n"
)
OF_NODE = (
    "search company.example other.example\n"
    "nameserver 10.0.2.2\nnameserver fd00::2\n"
    "options timeout:2 rotate\n"
)


def settings_of(node: str = NODE, **spec: object) -> ResolverSettings:
    meta = PodMeta(name="web-1", namespace="shop")
    return resolver_settings(
        Pod(metadata=meta, spec=PodSpec(**spec)),  # type: ignore[arg-type]
        read_resolv_conf(node),
        domain="cluster.local",
        cluster_servers=("10.96.0.10",),
    )


@pytest.mark.parametrize(
    ("spec", "file"),
    [
        ({}, CLUSTER),
        ({"dns_policy": "ClusterFirst"}, CLUSTER),
        ({"dns_policy": "Default"}, OF_NODE),
        ({"host_network": True}, OF_NODE),
        ({"host_network": True, "dns_policy": "ClusterFirstWithHostNet"}, CLUSTER),
        ({"dns_policy": "ClusterFirstWithHostNet"}, CLUSTER),
        ({"host_network": True, "dns_policy": "Default"}, OF_NODE),
        (
            {"dns_policy": "None", "dns_config": OWN},
            "search example.org\nnameserver 9.9.9.9\noptions ndots:2 edns0\n",
        ),
    ],
)
def test_policy_says_whose_settings_a_pod_has(spec: Json, file: str) -> None:
    assert settings_of(**spec).rendered() == file


def test_pods_own_settings_come_behind_the_clusters_and_its_options_win() -> None:
    assert settings_of("", dns_config=OWN).rendered() == (
        "search shop.svc.cluster.local svc.cluster.local cluster.local example.org\n"
        "nameserver 10.96.0.10\nnameserver 9.9.9.9\noptions ndots:2 edns0\n"
    )


def test_what_is_named_twice_is_there_once() -> None:
    own = {"nameservers": ["10.96.0.10"], "searches": ["cluster.local", "company.example"]}

    assert settings_of(dns_config=own).rendered() == CLUSTER


def test_node_without_servers_leaves_its_pods_without() -> None:
    assert settings_of("# Nothing.\n", dns_policy="Default").rendered() == ""


def test_fourth_name_server_is_left_out_and_named() -> None:
    own = {"nameservers": ["1.1.1.1", "2.2.2.2", "3.3.3.3"]}

    found, problems = fitted(settings_of(dns_config=own))

    assert found.servers == ("10.96.0.10", "1.1.1.1", "2.2.2.2")
    assert problems == [
        (
            "Nameserver limits were exceeded, some nameservers have been omitted, the applied "
            "nameserver line is: 10.96.0.10 1.1.1.1 2.2.2.2"
        )
    ]


@pytest.mark.parametrize(
    ("searches", "kept"),
    [
        ([f"{n}.example" for n in range(30)], 32),  # Three of the cluster's and these: 33.
        (["x" * 60 + f".{n:02}.example" for n in range(29)], 3 + 27),
    ],
)
def test_search_domains_beyond_the_bounds_are_left_out_and_named(
    searches: list[str], kept: int
) -> None:
    found, problems = fitted(settings_of("", dns_config={"searches": searches}))

    assert len(found.searches) == kept
    assert len(" ".join(found.searches)) <= 2048
    (problem,) = problems
    assert problem.endswith(f"the applied search line is: {' '.join(found.searches)}")


def test_settings_within_the_bounds_stay_as_they_are() -> None:
    wanted = settings_of(dns_config=OWN)

    assert fitted(wanted) == (wanted, [])
