"""What is measured, as values: a name, labels, numbers. Pure.

The owner of a table makes families of it when asked (a `Source`); hot paths count nothing that a
table already knows.
"""

import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ciliate.metrics.histogram import Distribution

#: The values of one set of labels, in the order of the family's label names.
Sample = tuple[tuple[str, ...], float]


class FamilyKind(enum.Enum):
    """How a metric moves: only up, either way, or up in the buckets of a histogram."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """All series of one metric name; a counter's name ends in `_total`.

    A histogram has `distributions` in place of samples.
    """

    name: str
    meaning: str
    labels: tuple[str, ...]
    samples: Sequence[Sample]
    kind: FamilyKind = FamilyKind.GAUGE
    distributions: Sequence[tuple[tuple[str, ...], Distribution]] = ()


#: Reads the tables and returns what they say now.
Source = Callable[[], Iterable[Family]]
