"""The settings of metrics out of flows: which are counted, and what their labels say. Pure.

`hubble-metrics` is a list of words "name:option;option", an option is "key" or "key=value". Names,
options and contexts that nobody knows are refused: a label that is missing shows in no dashboard.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ciliate.config import values
from ciliate.config.texts import Texts
from ciliate.errors import SettingError

#: The metrics there are -> the switches that each takes.
METRICS: Final[Mapping[str, tuple[str, ...]]] = {
    "dns": ("query", "ignoreAAAA"),
    "drop": (),
    "flow": (),
    "flows-to-world": ("any-drop", "port", "syn-only"),
    "http": (),
    "httpV2": ("exemplars",),
    "icmp": (),
    "kafka": (),
    "policy": (),
    "port-distribution": (),
    "tcp": (),
}

#: Options that say what the labels `source` and `destination` are, for every metric.
CONTEXT_OPTIONS: Final = (
    "sourceContext",
    "sourceEgressContext",
    "sourceIngressContext",
    "destinationContext",
    "destinationEgressContext",
    "destinationIngressContext",
)

#: What these labels may be; of several the first that a flow has.
CONTEXTS: Final = (
    "identity",
    "namespace",
    "pod",
    "pod-name",
    "dns",
    "ip",
    "reserved-identity",
    "workload",
    "workload-name",
    "app",
)

#: The labels that `labelsContext` may name, in the order in which series have them.
CONTEXT_LABELS: Final = (
    *("source_ip", "source_pod", "source_namespace"),
    *("source_workload", "source_workload_kind", "source_app"),
    *("destination_ip", "destination_pod", "destination_namespace"),
    *("destination_workload", "destination_workload_kind", "destination_app"),
    "traffic_direction",
)

_LABELS_OPTION: Final = "labelsContext"
_KEY: Final = "hubble-metrics"


@dataclass(frozen=True, slots=True)
class HubbleMetric:
    """One metric of the list, as the flow server is told it."""

    name: str  # Of METRICS.
    #: Contexts by option: {"sourceContext": ("pod", "ip")}.
    contexts: Mapping[str, tuple[str, ...]]
    labels: tuple[str, ...] = ()  # Of CONTEXT_LABELS, in that order.
    switches: tuple[str, ...] = ()  # Those that are on.


@dataclass(frozen=True, slots=True)
class HubbleMetricsSettings:
    """Which metrics are made of flows, and where they are served."""

    metrics: tuple[HubbleMetric, ...] = ()  # Empty: none, and nothing is served.
    address: str = ":9965"  # HOST:PORT.
    open_metrics: bool = False


def read_hubble_metrics_settings(texts: Texts) -> HubbleMetricsSettings:
    """Return the settings of metrics out of flows.

    Raises:
        SettingError: The list names what is not known, or asks for TLS.
    """
    metrics = tuple(_metrics(texts.text(_KEY)))
    tls = "hubble-metrics-server-enable-tls"
    if metrics and texts.flag(tls):
        raise SettingError(
            key=tls,
            value=texts.text(tls),
            problem="is known, and not supported by this version",
            remedy='set it to "false": metrics are then served without TLS; or leave'
            " hubble-metrics empty",
        )
    return HubbleMetricsSettings(
        metrics=metrics,
        address=texts.text("hubble-metrics-server"),
        open_metrics=texts.flag("enable-hubble-open-metrics"),
    )


def _metrics(text: str) -> Iterator[HubbleMetric]:
    known: set[str] = set()
    for word in text.split():
        metric = _metric(word)
        if metric.name in known:
            raise _refused(word, f"names {metric.name} a second time", "name each metric once")
        known.add(metric.name)
        yield metric
    if {"http", "httpV2"} <= known:
        raise _refused(
            text,
            "names both http and httpV2, which have metrics of the same names",
            "leave http out: httpV2 has the status of a request too",
        )


def _metric(word: str) -> HubbleMetric:
    name, _, options = word.partition(":")
    if name not in METRICS:
        raise _refused(
            word, f"names no metric with {name!r}", f"name some of {', '.join(METRICS)}"
        )
    names = {each.lower(): each for each in (*CONTEXT_OPTIONS, _LABELS_OPTION, *METRICS[name])}
    contexts: dict[str, tuple[str, ...]] = {}
    labels: tuple[str, ...] = ()
    switches: dict[str, bool] = {}
    for part in filter(None, options.split(";")):
        key, _, value = part.partition("=")
        option = names.get(key.lower())
        if option is None:
            raise _refused(
                word,
                f"has an option {key!r}, which {name} does not take",
                f"choose among {', '.join(names.values())}",
            )
        if option in contexts or option in switches or (option == _LABELS_OPTION and labels):
            raise _refused(word, f"has the option {option} twice", "leave one of them out")
        if option in CONTEXT_OPTIONS:
            contexts[option] = _among(word, option, value.split("|"), CONTEXTS)
        elif option == _LABELS_OPTION:
            named = _among(word, option, value.split(","), CONTEXT_LABELS)
            labels = tuple(label for label in CONTEXT_LABELS if label in named)
        else:
            switches[option] = _switch(word, option, value)
    return HubbleMetric(name, contexts, labels, tuple(each for each, on in switches.items() if on))


def _among(
    word: str, option: str, found: Iterable[str], known: tuple[str, ...]
) -> tuple[str, ...]:
    values_found = tuple(found)
    for each in values_found:
        if each not in known:
            raise _refused(
                word,
                f"has {each!r} in {option}, which is not known",
                f"choose among {', '.join(known)}",
            )
    return values_found


def _switch(word: str, option: str, value: str) -> bool:
    try:
        return values.read_bool(value or "true")
    except values.ValueTextError as error:
        raise _refused(word, f"has {value!r} for {option}", error.remedy) from error


def _refused(value: str, problem: str, remedy: str) -> SettingError:
    return SettingError(key=_KEY, value=value, problem=problem, remedy=remedy)
