"""Which of a pod's labels make its identity, in Cilium's spelling "source:key=value"."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

#: Keys that begin so never make an identity: they differ by replica or by revision, or are the
#: infrastructure's own (Cilium's default filter; reference/walkthrough.md, section 2).
_EXCLUDED_PREFIXES: Final = (
    "io.kubernetes",
    "kubernetes.io",
    "beta.kubernetes.io",
    "k8s.io",
    "annotation.",
    "etcd_node",
    "io.cilium.k8s.policy.uid",
)
_EXCLUDED_KEYS: Final = frozenset(
    {
        "pod-template-generation",
        "pod-template-hash",
        "controller-revision-hash",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/job-completion-index",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-name",
        "controller-uid",
        "job-name",
    }
)


@dataclass(frozen=True, slots=True)
class PodLabels:
    """What an identity is made of: a pod's place and its labels."""

    namespace: str
    labels: Mapping[str, str]
    namespace_labels: Mapping[str, str]
    service_account: str
    cluster: str


def _is_relevant(key: str) -> bool:
    if key in _EXCLUDED_KEYS or key.startswith(_EXCLUDED_PREFIXES):
        return False
    domain = key.partition("/")[0]
    return not domain.endswith((".kubernetes.io", ".k8s.io", ".beta.kubernetes.io"))


def security_labels(pod: PodLabels) -> dict[str, str]:
    """Return the labels that make `pod`'s identity, by "source:key", sorted."""
    labels = {f"k8s:{key}": value for key, value in pod.labels.items() if _is_relevant(key)}
    for key, value in pod.namespace_labels.items():
        labels[f"k8s:io.cilium.k8s.namespace.labels.{key}"] = value
    labels["k8s:io.cilium.k8s.policy.cluster"] = pod.cluster
    labels["k8s:io.cilium.k8s.policy.serviceaccount"] = pod.service_account or "default"
    labels["k8s:io.kubernetes.pod.namespace"] = pod.namespace
    return dict(sorted(labels.items()))


def label_texts(labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return "source:key=value" for each, sorted; the value's "=" is left out when empty."""
    return tuple(sorted(f"{key}={value}" if value else key for key, value in labels.items()))


def labels_from_texts(texts: Iterable[str]) -> dict[str, str]:
    """Return what `label_texts` wrote as a mapping."""
    pairs = (text.partition("=") for text in texts)
    return {key: value for key, _, value in pairs}
