"""`identity/`: labels, numbers, and whose an address is."""

from ipaddress import ip_address, ip_network
from itertools import islice

from ciliate.config.label_filter import LabelFilter
from ciliate.identity.address_owners import (
    AddressOwner,
    KnownNode,
    KnownPod,
    Reserved,
    node_owners,
    own_owners,
    pod_owners,
)
from ciliate.identity.labels import PodLabels, label_texts, security_labels
from ciliate.identity.numbers import IDENTITY_MAX, IDENTITY_MIN, candidates

DEFAULT = LabelFilter.parse(())


def webpod(**labels: str) -> PodLabels:
    return PodLabels(
        namespace="default",
        labels={"app": "webpod", **labels},
        namespace_labels={"kubernetes.io/metadata.name": "default"},
        service_account="",
        cluster="default",
    )


def test_labels_are_those_of_the_walk_through() -> None:
    assert label_texts(security_labels(webpod(), DEFAULT)) == (
        "k8s:app=webpod",
        "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=default",
        "k8s:io.cilium.k8s.policy.cluster=default",
        "k8s:io.cilium.k8s.policy.serviceaccount=default",
        "k8s:io.kubernetes.pod.namespace=default",
    )


def test_labels_that_differ_by_revision_or_replica_make_no_identity() -> None:
    revised = PodLabels(
        namespace="default",
        labels={
            "app": "webpod",
            "pod-template-hash": "697b545f57",
            "controller-revision-hash": "x",
            "statefulset.kubernetes.io/pod-name": "webpod-0",
            "topology.beta.kubernetes.io/zone": "a",
            "k8s.io/note": "x",
        },
        namespace_labels={"kubernetes.io/metadata.name": "default"},
        service_account="default",
        cluster="default",
    )

    assert security_labels(revised, DEFAULT) == security_labels(webpod(), DEFAULT)


def test_recommended_labels_make_identities() -> None:
    named = PodLabels("default", {"app.kubernetes.io/name": "web"}, {}, "", "default")

    assert "k8s:app.kubernetes.io/name" in security_labels(named, DEFAULT)


def test_label_setting_includes_and_excludes_by_pattern() -> None:
    chosen = LabelFilter.parse(["k8s:app$", "k8s:!io\\.cilium\\.k8s\\.policy\\.cluster.*"])

    assert security_labels(webpod(tier="front"), chosen).keys() == {
        "k8s:app",
        "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name",
        "k8s:io.kubernetes.pod.namespace",
    }


def test_excluding_alone_keeps_the_rest() -> None:
    chosen = LabelFilter.parse(["!k8s:tier"])

    assert security_labels(webpod(tier="front"), chosen) == security_labels(webpod(), DEFAULT)


def test_every_node_tries_the_same_numbers() -> None:
    labels = security_labels(webpod(), DEFAULT)
    shuffled = dict(reversed(labels.items()))

    assert list(islice(candidates(labels), 20)) == list(islice(candidates(shuffled), 20))
    assert all(IDENTITY_MIN <= n <= IDENTITY_MAX for n in candidates(labels))


def node(name: str, ip: str, cidr: str, *, is_local: bool = False) -> KnownNode:
    router = ip_network(cidr)[93]
    return KnownNode(name, (ip_address(ip),), (router,), (ip_network(cidr),), is_local)


def test_remote_node_its_router_and_its_pods_are_told_apart() -> None:
    w1 = ip_address("192.168.10.101")

    assert node_owners(node("k8s-w1", "192.168.10.101", "10.244.1.0/24")) == {
        ip_network("10.244.1.0/24"): AddressOwner(Reserved.WORLD, w1, is_pod=True),
        ip_network("192.168.10.101/32"): AddressOwner(Reserved.REMOTE_NODE, w1, is_pod=False),
        ip_network("10.244.1.93/32"): AddressOwner(Reserved.REMOTE_NODE, w1, is_pod=False),
    }


def test_own_node_is_the_host() -> None:
    owners = node_owners(node("k8s-ctr", "192.168.10.100", "10.244.0.0/24", is_local=True))

    assert owners[ip_network("192.168.10.100/32")].identity == Reserved.HOST
    assert own_owners([ip_address("10.0.2.15")]) == {
        ip_network("10.0.2.15/32"): AddressOwner(Reserved.HOST, None, is_pod=False)
    }


def test_router_address_is_no_next_hop() -> None:
    nowhere = KnownNode("gone", (), (ip_address("10.244.1.93"),), (), is_local=False)

    assert nowhere.node_ip(4) is None


def test_pod_is_known_by_every_address() -> None:
    pod = KnownPod((ip_address("fd00::7"), ip_address("10.244.1.7")), 8066, None)

    assert pod_owners(pod) == {
        ip_network("fd00::7/128"): AddressOwner(8066, None, is_pod=True),
        ip_network("10.244.1.7/32"): AddressOwner(8066, None, is_pod=True),
    }
