"""The setting `labels`: which labels make an identity. Pure.

A word is "[source:][!]pattern" (a leading "!" is understood too), the pattern a regular expression
matched at the beginning of a label's key. The built-in words are Cilium's defaults. With a pattern
of the user's to include, only keys that match an included one count; where an included and an
excluded pattern match, the one that matches more of the key decides, and excluding wins a tie.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

#: What always counts (docs/CILIUM.md, "Objects": the labels of an endpoint).
_DEFAULT_INCLUDE: Final = (
    r"io\.kubernetes\.pod\.namespace",
    r"io\.cilium\.k8s\.namespace\.labels",
    r"io\.cilium\.k8s\.policy\.cluster",
    r"app\.kubernetes\.io",
)

#: What differs by replica or revision, or is the infrastructure's own.
_DEFAULT_EXCLUDE: Final = (
    r"io\.kubernetes",
    r"kubernetes\.io",
    r"statefulset\.kubernetes\.io/pod-name",
    r"apps\.kubernetes\.io/pod-index",
    r"batch\.kubernetes\.io/job-completion-index",
    r"batch\.kubernetes\.io/controller-uid",
    r".*beta\.kubernetes\.io",
    r"k8s\.io",
    r"pod-template-generation",
    r"pod-template-hash",
    r"controller-revision-hash",
    r"annotation.*",
    r"etcd_node",
)


def _longest(patterns: Iterable[re.Pattern[str]], key: str) -> int:
    """Return how much of `key` the best of `patterns` matches; -1 when none does."""
    found = (pattern.match(key) for pattern in patterns)
    return max((match.end() for match in found if match), default=-1)


@dataclass(frozen=True, slots=True)
class LabelFilter:
    """Compiled patterns; `only_included` when the user named any to include."""

    include: tuple[re.Pattern[str], ...]
    exclude: tuple[re.Pattern[str], ...]
    only_included: bool

    @classmethod
    def parse(cls, words: Iterable[str]) -> "LabelFilter":
        """Return the filter that the words ask for, on top of the defaults.

        Raises:
            re.error: A word is no regular expression.
        """
        include = [re.compile(pattern) for pattern in _DEFAULT_INCLUDE]
        exclude = [re.compile(pattern) for pattern in _DEFAULT_EXCLUDE]
        only_included = False
        for word in words:
            pattern = word.removeprefix("!").removeprefix("k8s:")
            if word.startswith("!") or pattern.startswith("!"):
                exclude.append(re.compile(pattern.removeprefix("!")))
            else:
                only_included = True
                include.append(re.compile(pattern))
        return cls(tuple(include), tuple(exclude), only_included)

    def passes(self, key: str) -> bool:
        """Whether the label `key` (without its source) counts."""
        included, excluded = _longest(self.include, key), _longest(self.exclude, key)
        if excluded >= 0 and excluded >= included:
            return False
        return included >= 0 or not self.only_included
