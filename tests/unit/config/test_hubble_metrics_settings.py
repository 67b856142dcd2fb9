"""`config/hubble_metrics_settings.py`: which metrics are made of flows, and what is refused."""

import json
from importlib import resources

import pytest

from ciliate.config.hubble_metrics_settings import (
    CONTEXT_LABELS,
    METRICS,
    HubbleMetric,
    HubbleMetricsSettings,
    read_hubble_metrics_settings,
)
from ciliate.config.texts import Texts
from ciliate.errors import SettingError


def read(metrics: str = "", **config: str) -> HubbleMetricsSettings:
    return read_hubble_metrics_settings(Texts({"hubble-metrics": metrics, **config}))


def one(word: str) -> HubbleMetric:
    (metric,) = read(word).metrics
    return metric


def refusal(metrics: str, **config: str) -> SettingError:
    with pytest.raises(SettingError) as refused:
        read(metrics, **config)
    return refused.value


def test_nothing_is_counted_unless_it_is_named() -> None:
    assert read() == HubbleMetricsSettings(metrics=(), address=":9965", open_metrics=False)


def test_list_of_a_real_cluster_is_read() -> None:
    """The lab starts as the walk-through's cluster did."""
    start = json.loads(
        (resources.files("ciliate.lab") / "cilium-config.json").read_text(encoding="utf-8")
    )

    found = read_hubble_metrics_settings(Texts(start))

    names = ["dns", "drop", "tcp", "flow", "port-distribution", "icmp", "httpV2"]
    assert [each.name for each in found.metrics] == names
    assert found.open_metrics
    assert found.metrics[-1].switches == ("exemplars",)
    assert found.metrics[-1].labels[0] == "source_ip"
    assert found.metrics[-1].labels[-1] == "traffic_direction"


def test_every_metric_that_cilium_has_is_taken() -> None:
    for name in METRICS:
        assert one(name) == HubbleMetric(name, {})


def test_contexts_are_alternatives_in_their_order() -> None:
    metric = one("drop:sourceContext=pod|ip;destinationEgressContext=workload")

    assert metric.contexts == {
        "sourceContext": ("pod", "ip"),
        "destinationEgressContext": ("workload",),
    }


def test_labels_have_one_order_however_they_are_named() -> None:
    named = ",".join(reversed(CONTEXT_LABELS))

    assert one(f"flow:labelsContext={named}").labels == CONTEXT_LABELS


def test_options_are_read_in_whatever_case() -> None:
    metric = one("dns:QUERY;ignoreaaaa;sourcecontext=ip")

    assert metric.switches == ("query", "ignoreAAAA")
    assert metric.contexts == {"sourceContext": ("ip",)}


def test_switch_that_is_false_is_off() -> None:
    assert one("flows-to-world:port=false;syn-only=true").switches == ("syn-only",)


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ("dsn", ("'dsn'", "dns, drop")),
        ("drop:sourceContexts=pod", ("'sourceContexts'", "sourceContext")),
        ("drop:port", ("'port'", "labelsContext")),
        ("drop:sourceContext=pods", ("'pods'", "pod-name")),
        ("drop:sourceContext=", ("''", "namespace")),
        ("drop:labelsContext=source_pod,source", ("'source'", "traffic_direction")),
        ("drop:sourceContext=pod;sourceContext=ip", ("sourceContext twice",)),
        ("dns:query;query", ("query twice",)),
        ("dns:query=perhaps", ("'perhaps'", '"true"')),
        ("drop tcp drop", ("drop a second time",)),
        ("http httpV2", ("both http and httpV2", "leave http out")),
    ],
)
def test_list_that_cannot_be_acted_on_is_refused_with_a_remedy(
    metrics: str, words: tuple[str, ...]
) -> None:
    refused = refusal(metrics)

    assert refused.key == "hubble-metrics"
    for word in words:
        assert word in str(refused)


def test_tls_is_refused_as_long_as_it_is_not_there() -> None:
    tls = {"hubble-metrics-server-enable-tls": "true"}

    refused = refusal("flow", **tls)

    assert refused.key == "hubble-metrics-server-enable-tls"
    assert "not supported" in refused.problem
    assert read("", **tls).metrics == ()
