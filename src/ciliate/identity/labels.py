"""Which of a pod's labels make its identity, in Cilium's spelling "source:key=value"."""

from collections.abc import Mapping
from dataclasses import dataclass

from ciliate.config.label_filter import LabelFilter


@dataclass(frozen=True, slots=True)
class PodLabels:
    """What an identity is made of: a pod's place and its labels."""

    namespace: str
    labels: Mapping[str, str]
    namespace_labels: Mapping[str, str]
    service_account: str
    cluster: str


def security_labels(pod: PodLabels, label_filter: LabelFilter) -> dict[str, str]:
    """Return the labels that make `pod`'s identity, by "source:key", sorted."""
    labels = dict(pod.labels)
    for key, value in pod.namespace_labels.items():
        labels[f"io.cilium.k8s.namespace.labels.{key}"] = value
    labels["io.cilium.k8s.policy.cluster"] = pod.cluster
    labels["io.cilium.k8s.policy.serviceaccount"] = pod.service_account or "default"
    labels["io.kubernetes.pod.namespace"] = pod.namespace
    return {f"k8s:{key}": labels[key] for key in sorted(labels) if label_filter.passes(key)}
