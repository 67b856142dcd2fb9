"""`identity/`: labels, numbers, and whose an address is."""

from ipaddress import ip_address, ip_network
from itertools import islice

from ciliate.identity.ipcache import AddressOwner, KnownNode, KnownPod, Reserved, address_owners
from ciliate.identity.labels import (
    LabelFilter,
    PodLabels,
    label_texts,
    labels_from_texts,
    security_labels,
)
from ciliate.identity.numbers import IDENTITY_MAX, IDENTITY_MIN, candidates


def webpod(**labels: str) -> PodLabels:
    return PodLabels(
        namespace="default",
        labels={"app": "webpod", **labels},
        namespace_labels={"kubernetes.io/metadata.name": "default"},
        service_account="",
        cluster="default",
    )


def test_labels_are_those_of_the_walk_through() -> None:
    assert label_texts(security_labels(webpod())) == (
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
            "app.kubernetes.io/name": "webpod",
        },
        namespace_labels={"kubernetes.io/metadata.name": "default"},
        service_account="default",
        cluster="default",
    )

    assert security_labels(revised) == security_labels(webpod())


def test_label_setting_includes_and_excludes_by_pattern() -> None:
    chosen = LabelFilter.parse(["k8s:app", "k8s:io\\.cilium", "!k8s:io\\.cilium\\.k8s\\.policy"])

    assert security_labels(webpod(tier="front"), chosen).keys() == {
        "k8s:app",
        "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name",
        "k8s:io.kubernetes.pod.namespace",
    }


def test_texts_and_labels_are_two_forms_of_one_thing() -> None:
    labels = security_labels(webpod(tier="", note="a=b"))

    assert labels_from_texts(label_texts(labels)) == labels


def test_every_node_tries_the_same_numbers() -> None:
    labels = security_labels(webpod())
    shuffled = dict(reversed(labels.items()))

    assert list(islice(candidates(labels), 20)) == list(islice(candidates(shuffled), 20))
    assert all(IDENTITY_MIN <= n <= IDENTITY_MAX for n in candidates(labels))


def node(name: str, ip: str, cidr: str, *, is_local: bool = False) -> KnownNode:
    return KnownNode(name, (ip_address(ip),), (ip_network(cidr),), is_local)


def test_nodes_pods_and_pod_cidrs_are_told_apart() -> None:
    local = node("k8s-ctr", "192.168.10.100", "10.244.0.0/24", is_local=True)
    remote = node("k8s-w1", "192.168.10.101", "10.244.1.0/24")
    pod = KnownPod((ip_address("10.244.1.7"),), 8066, ip_address("192.168.10.101"))

    owners = address_owners([local, remote], [pod], own=[ip_address("10.0.2.15")])

    assert owners == {
        ip_network("10.244.0.0/24"): AddressOwner(
            Reserved.WORLD, ip_address("192.168.10.100"), is_pod=True
        ),
        ip_network("192.168.10.100/32"): AddressOwner(
            Reserved.HOST, ip_address("192.168.10.100"), is_pod=False
        ),
        ip_network("10.244.1.0/24"): AddressOwner(
            Reserved.WORLD, ip_address("192.168.10.101"), is_pod=True
        ),
        ip_network("192.168.10.101/32"): AddressOwner(
            Reserved.REMOTE_NODE, ip_address("192.168.10.101"), is_pod=False
        ),
        ip_network("10.244.1.7/32"): AddressOwner(8066, ip_address("192.168.10.101"), is_pod=True),
        ip_network("10.0.2.15/32"): AddressOwner(Reserved.HOST, None, is_pod=False),
    }


def test_address_of_this_node_is_its_own_even_if_a_pod_claims_it() -> None:
    claimed = KnownPod((ip_address("10.0.2.15"),), 8066, None)

    owners = address_owners([], [claimed], own=[ip_address("10.0.2.15")])

    assert owners[ip_network("10.0.2.15/32")].identity == Reserved.HOST
