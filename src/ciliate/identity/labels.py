"""Which of a pod's labels make its identity, in Cilium's spelling "source:key=value"."""

import re
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

_NAMESPACE_KEY: Final = "io.kubernetes.pod.namespace"


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


@dataclass(frozen=True, slots=True)
class LabelFilter:
    """The setting `labels`: which labels count beyond the built-in exclusions.

    Each word is "[!][source:]pattern", a regular expression matched at the key's beginning. With
    any pattern to include, only keys that match one count; "!" excludes. The pod's namespace
    always counts, as in Cilium.
    """

    include: tuple[re.Pattern[str], ...] = ()
    exclude: tuple[re.Pattern[str], ...] = ()

    @classmethod
    def parse(cls, words: Iterable[str]) -> "LabelFilter":
        """Return the filter that the words ask for.

        Raises:
            re.error: A word is no regular expression.
        """
        include: list[re.Pattern[str]] = []
        exclude: list[re.Pattern[str]] = []
        for word in words:
            pattern = re.compile(word.removeprefix("!").removeprefix("k8s:"))
            (exclude if word.startswith("!") else include).append(pattern)
        return cls(tuple(include), tuple(exclude))

    def passes(self, key: str) -> bool:
        """Whether `key` (without its source) counts."""
        if key == _NAMESPACE_KEY:
            return True
        if any(pattern.match(key) for pattern in self.exclude):
            return False
        return not self.include or any(pattern.match(key) for pattern in self.include)


def security_labels(pod: PodLabels, label_filter: LabelFilter | None = None) -> dict[str, str]:
    """Return the labels that make `pod`'s identity, by "source:key", sorted."""
    labels = {key: value for key, value in pod.labels.items() if _is_relevant(key)}
    for key, value in pod.namespace_labels.items():
        labels[f"io.cilium.k8s.namespace.labels.{key}"] = value
    labels["io.cilium.k8s.policy.cluster"] = pod.cluster
    labels["io.cilium.k8s.policy.serviceaccount"] = pod.service_account or "default"
    labels[_NAMESPACE_KEY] = pod.namespace
    chosen = label_filter or LabelFilter()
    return {f"k8s:{key}": labels[key] for key in sorted(labels) if chosen.passes(key)}


def label_texts(labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return "source:key=value" for each, sorted; the value's "=" is left out when empty."""
    return tuple(sorted(f"{key}={value}" if value else key for key, value in labels.items()))


def labels_from_texts(texts: Iterable[str]) -> dict[str, str]:
    """Return what `label_texts` wrote as a mapping."""
    pairs = (text.partition("=") for text in texts)
    return {key: value for key, _, value in pairs}
