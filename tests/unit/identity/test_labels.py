"""`identity/labels.py`: which labels of a pod make its identity, and how they are written."""

from ciliate.api.cilium_identity import label_texts
from ciliate.config.label_filter import LabelFilter
from ciliate.identity.labels import PodLabels, security_labels

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


def test_label_without_a_value_is_its_key_alone() -> None:
    assert label_texts({"k8s:b": "", "k8s:a": "1"}) == ("k8s:a=1", "k8s:b")
