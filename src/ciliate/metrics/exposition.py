"""Families as Prometheus' text or as Cilium's JSON, those of the process itself among them.

Importing this costs 15 ms and 1 MiB (prometheus_client): `server` does it at the first question.
"""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from ciliate.api.agent import MetricSample
from ciliate.metrics.family import Family, FamilyKind


class Text(Struct, frozen=True):
    """An answer to a scrape."""

    body: bytes
    content_type: str


def render_text(families: Sequence[Family], *, process: str, accept: str) -> Text:
    """Return the families and the process's own in the form that `accept`, a header, prefers.

    `process` is what names of the process's own metrics begin with.
    """
    try:
        encode, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # Of a version that is no number.
        encode, content_type = choose_encoder("")
    return Text(encode(_registry(families, process)), content_type)


def render_samples(families: Sequence[Family], *, process: str) -> tuple[MetricSample, ...]:
    """Return the same series as Cilium's API lists them, sorted by name and labels."""
    found = [
        MetricSample(name=sample.name, value=sample.value, labels=dict(sample.labels))
        for metric in _registry(families, process).collect()
        for sample in metric.samples
    ]
    return tuple(sorted(found, key=lambda each: (each.name, sorted(each.labels.items()))))


def _registry(families: Sequence[Family], process: str) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(families))
    ProcessCollector(namespace=process, registry=registry)
    return registry


class _Families(Collector):
    """Hands families of ours to prometheus_client."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """Yield each family in prometheus_client's form."""
        for family in self._families:
            metric: CounterMetricFamily | GaugeMetricFamily
            if family.kind is FamilyKind.HISTOGRAM:
                yield _histogram(family)
                continue
            if family.kind is FamilyKind.COUNTER:
                metric = CounterMetricFamily(family.name, family.meaning, labels=family.labels)
            else:
                metric = GaugeMetricFamily(family.name, family.meaning, labels=family.labels)
            for labels, value in family.samples:
                metric.add_metric(labels, value)
            yield metric

    def describe(self) -> Iterator[Metric]:
        """Yield nothing: names are not checked for doubles before the first collection."""
        return iter(())


def _histogram(family: Family) -> HistogramMetricFamily:
    metric = HistogramMetricFamily(family.name, family.meaning, labels=family.labels)
    for labels, found in family.distributions:
        metric.add_metric(labels, buckets=found.buckets, sum_value=found.total)
    return metric
