"""Services of type LoadBalancer get addresses from pools, as kubectl shows them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.lab.cluster import Cluster, eventually

MARK = "cilium.io/IPAMRequestSatisfied"
#: On every object of these tests.
LABEL = {"test": "load-balancers"}
SHARING = "lbipam.cilium.io/sharing-key"


def apply(cluster: Cluster, document: dict[str, Any]) -> None:
    cluster.kubectl("apply", "-f", "-", text=json.dumps(document))


def apply_pool(cluster: Cluster, name: str, *blocks: dict[str, str], version: str = "v2") -> None:
    apply(
        cluster,
        {
            "apiVersion": f"cilium.io/{version}",
            "kind": "CiliumLoadBalancerIPPool",
            "metadata": {"name": name, "labels": LABEL},
            "spec": {"blocks": list(blocks)},
        },
    )


def apply_service(
    cluster: Cluster, name: str, *, port: int = 80, annotations: dict[str, str] | None = None
) -> None:
    apply(
        cluster,
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "labels": LABEL, "annotations": annotations or {}},
            "spec": {"type": "LoadBalancer", "ports": [{"port": port}]},
        },
    )


def satisfied(cluster: Cluster, *names: str, holds: str = "True") -> None:
    """Wait as a user would."""
    places = [f"service/{name}" for name in names]
    cluster.kubectl("wait", *places, f"--for=condition={MARK}={holds}", "--timeout=30s")


def external(cluster: Cluster) -> dict[str, str]:
    """What `kubectl get service` shows as EXTERNAL-IP."""
    lines = cluster.kubectl("get", "service", "--no-headers").splitlines()
    columns = [line.split() for line in lines]
    return {each[0]: each[3] for each in columns if each[1] == "LoadBalancer"}


def pools(cluster: Cluster) -> list[list[str]]:
    """What `kubectl get ippools` shows, without the age."""
    return [line.split()[:-1] for line in cluster.kubectl("get", "ippools").splitlines()]


@pytest.fixture
def tidy(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, without the pools and Services of a test afterwards."""
    yield cluster
    for kind in ("service", "ippools"):
        cluster.kubectl("delete", kind, "-l", "test=load-balancers", "--ignore-not-found")


def test_services_have_addresses_of_pools_and_keep_them_over_a_restart(tidy: Cluster) -> None:
    apply_pool(
        tidy,
        "blue-pool",
        {"cidr": "198.51.100.0/29"},
        {"start": "198.51.100.20", "stop": "198.51.100.21"},
    )
    apply_service(tidy, "web")
    satisfied(tidy, "web")
    apply_service(tidy, "asks", annotations={"lbipam.cilium.io/ips": "198.51.100.21"})
    apply_service(tidy, "one", annotations={SHARING: "k"}, port=80)
    satisfied(tidy, "one")
    apply_service(tidy, "two", annotations={SHARING: "k"}, port=443)
    apply_service(tidy, "wrong", annotations={"lbipam.cilium.io/ips": "203.0.113.1"})
    satisfied(tidy, "asks", "two")
    satisfied(tidy, "wrong", holds="False")

    before = external(tidy)
    assert before == {
        "web": "198.51.100.0",
        "asks": "198.51.100.21",
        "one": "198.51.100.1",
        "two": "198.51.100.1",
        "wrong": "<pending>",
    }
    eventually(
        lambda: (
            pools(tidy)
            == [
                ["NAME", "DISABLED", "CONFLICTING", "IPS", "AVAILABLE"],
                ["blue-pool", "false", "False", "7"],
            ]
        ),
        what="the pool's numbers",
    )

    tidy.kubectl("delete", "service", "web")
    tidy.lab("restart", "operator")
    apply_service(tidy, "next")
    satisfied(tidy, "next")

    del before["web"]
    assert external(tidy) == {**before, "next": "198.51.100.0"}


def test_pool_in_conflict_gives_nothing_and_says_with_whom(tidy: Cluster) -> None:
    apply_pool(tidy, "old", {"cidr": "198.51.100.0/32"})
    apply_service(tidy, "first")
    satisfied(tidy, "first")

    # In the version that manifests for Cilium 1.17 have.
    apply_pool(
        tidy, "young", {"cidr": "198.51.100.0/24"}, {"start": "2001:db8::9"}, version="v2alpha1"
    )

    state = '{.status.conditions[?(@.type=="cilium.io/PoolConflict")]'
    tidy.kubectl("wait", "ippool/young", f"--for=jsonpath={state}.status}}=True", "--timeout=30s")
    assert "pool old, which is older" in tidy.kubectl(
        "get", "ippools/young", "-o", f"jsonpath={state}.message}}"
    )
    apply_service(tidy, "second")
    satisfied(tidy, "second", holds="False")
    assert external(tidy) == {"first": "198.51.100.0", "second": "<pending>"}

    tidy.kubectl("delete", "ippools", "old")

    # The other is none in conflict any more; and who had the address keeps it.
    satisfied(tidy, "second")
    assert external(tidy) == {"first": "198.51.100.0", "second": "198.51.100.1"}

    tidy.kubectl(
        "patch", "service", "first", "--type=merge", "-p", '{"spec":{"type":"ClusterIP"}}'
    )
    eventually(
        lambda: (
            "status" not in tidy.object("service", "first")
            or tidy.object("service", "first")["status"] == {"loadBalancer": {}}
        ),
        what="address and condition gone",
    )
