"""`config/label_filter.py`: which labels count, by Cilium's defaults and by the user's words."""

import pytest

from ciliate.config.label_filter import LabelFilter


@pytest.mark.parametrize(
    ("words", "key", "counts"),
    [
        ([], "app", True),
        ([], "pod-template-hash", False),
        ([], "io.kubernetes.pod.namespace", True),  # More of it is included than excluded.
        ([], "io.kubernetes.other", False),
        (["k8s:app"], "app", True),
        (["k8s:app"], "tier", False),
        (["k8s:app"], "app.kubernetes.io/name", True),  # A default stays.
        (["!tier"], "tier", False),
        (["!tier"], "app", True),
        (["k8s:!tier"], "tier", False),
        (["!k8s:tier"], "tier", False),
        (["app", "!app"], "app", False),  # Excluding wins a tie,
        (["app", "!app\\.x"], "app.x", False),  # and more of the key wins over less,
        (["app\\.x", "!app"], "app.x", True),  # either way.
        (["!.*", "app"], "tier", False),
        (["!"], "app", False),  # Matches the beginning of every key, and nothing of it.
        (["k8s:"], "anything", True),
        (["k8s:x", "k8s:"], "anything", True),
        (["!x?"], "app", False),
    ],
)
def test_label_counts_by_the_longest_match(*, words: list[str], key: str, counts: bool) -> None:
    assert LabelFilter.parse(words).passes(key) is counts
