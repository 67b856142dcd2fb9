"""`flows/server/metrics/context_labels.py`: who is named by labels, and how."""

from typing import Any

import pytest
from tests.unit.flows.server.sample_records import (
    DB_IP,
    OUTSIDE_IP,
    WEB_IP,
    WORLD,
    call,
    drop,
    octets,
    packet,
    view,
)

from ciliate.config.hubble_metrics_settings import CONTEXT_LABELS, HubbleMetric
from ciliate.datapath.layout import Event, TracePoint, TraceReason
from ciliate.flows.server.metrics.context_labels import ContextLabels

REPLY: dict[str, Any] = {
    "source": DB_IP,
    "destination": WEB_IP,
    "source_endpoint": 0,
    "destination_endpoint": 7,
    "about": TracePoint.TRACE_TO_ENDPOINT,
    "reason": TraceReason.TRACE_REPLY,
}
TO_WORLD: dict[str, Any] = {"destination": OUTSIDE_IP, "destination_identity": WORLD}


def labels_of(event: Event, *labels: str, **contexts: tuple[str, ...]) -> dict[str, str]:
    context = ContextLabels(HubbleMetric("flow", contexts, labels))
    values = [value for part in context.parts for value in part.values(view(event))]
    return dict(zip(context.names, values, strict=True))


@pytest.mark.parametrize(
    ("context", "source", "destination"),
    [
        ("identity", "k8s:app=web", "k8s:app=db"),
        ("namespace", "shop", "shop-db"),
        ("pod", "shop/web-0", "shop-db/db-0"),
        ("pod-name", "web-0", "db-0"),
        ("dns", "", ""),
        ("ip", WEB_IP, DB_IP),
        ("reserved-identity", "", ""),
        ("workload", "shop/web", ""),
        ("workload-name", "web", ""),
        ("app", "web", "db"),
    ],
)
def test_context_names_either_end(context: str, source: str, destination: str) -> None:
    found = labels_of(packet(), sourceContext=(context,), destinationContext=(context,))

    assert found == {"source": source, "destination": destination}


def test_first_context_that_a_flow_has_counts() -> None:
    contexts = {"destinationContext": ("pod", "reserved-identity", "ip")}

    assert labels_of(packet(), **contexts) == {"destination": "shop-db/db-0"}
    assert labels_of(packet(**TO_WORLD), **contexts) == {"destination": "reserved:world"}


def test_context_of_a_direction_counts_before_that_of_both() -> None:
    contexts = {"sourceContext": ("ip",), "sourceEgressContext": ("pod",)}

    assert labels_of(packet(), **contexts) == {"source": "shop/web-0"}
    assert labels_of(packet(reason=TraceReason.TRACE_UNKNOWN), **contexts) == {"source": WEB_IP}


def test_context_of_the_other_direction_leaves_the_label_empty() -> None:
    ingress = {"destinationIngressContext": ("pod",)}

    assert labels_of(packet(), **ingress) == {"destination": ""}


def test_every_label_is_there_even_if_it_is_empty() -> None:
    found = labels_of(packet(**TO_WORLD), *CONTEXT_LABELS)

    assert found == {
        "source_ip": WEB_IP,
        "source_pod": "web-0",
        "source_namespace": "shop",
        "source_workload": "web",
        "source_workload_kind": "Deployment",
        "source_app": "web",
        "destination_ip": OUTSIDE_IP,
        "destination_pod": "",
        "destination_namespace": "",
        "destination_workload": "",
        "destination_workload_kind": "",
        "destination_app": "",
        "traffic_direction": "egress",
    }


def test_labels_come_before_source_and_destination() -> None:
    metric = HubbleMetric("flow", {"sourceContext": ("ip",)}, ("source_pod", "traffic_direction"))

    assert ContextLabels(metric).names == ("source_pod", "traffic_direction", "source")


@pytest.mark.parametrize(
    ("event", "direction"),
    [
        (packet(), "egress"),
        (packet(**REPLY), "egress"),
        (packet(reason=TraceReason.TRACE_UNKNOWN), "unknown"),
        (drop(), "egress"),
        (drop(source_endpoint=0, destination_endpoint=7), "ingress"),
    ],
)
def test_direction_is_that_of_the_connection(event: Event, direction: str) -> None:
    assert labels_of(event, "traffic_direction") == {"traffic_direction": direction}


def test_caller_of_a_socket_is_named_as_its_pod() -> None:
    found = labels_of(call(), sourceContext=("pod",), destinationContext=("pod", "ip"))

    assert found == {"source": "shop/web-0", "destination": "10.96.0.10"}


def test_columns_are_enough_for_what_is_asked() -> None:
    """A group has no other columns: labels found of it are those of the record."""
    names = ("pod", "ip", "app")
    contexts = {f"{side}Context": names for side in ("source", "destination")}
    context = ContextLabels(HubbleMetric("flow", contexts, CONTEXT_LABELS))
    blank = Event.unpack(bytes(Event.SIZE))
    for event in (packet(), packet(**TO_WORLD), drop(), call()):
        for part in context.parts:
            kept = {
                name: getattr(event, "destination" if name == "destination-family" else name)
                for name in part.columns
            }
            kept["destination"] = kept.pop(
                "destination-family", kept.get("destination", bytes(16))
            )
            group = blank._replace(**kept, time_ns=event.time_ns)
            assert part.values(view(group)) == part.values(view(event))


def test_series_are_of_the_pods_and_addresses_that_labels_name() -> None:
    def holders(event: Event, *labels: str, **contexts: tuple[str, ...]) -> set[object]:
        context = ContextLabels(HubbleMetric("flow", contexts, labels))
        return set(context.holders(view(event)))

    assert holders(packet(), "source_pod", "destination_namespace") == {("shop", "web-0")}
    assert holders(packet(), destinationContext=("pod",)) == {("shop-db", "db-0")}
    assert holders(packet(), "source_ip", "destination_ip") == {octets(WEB_IP), octets(DB_IP)}
    assert holders(packet(**TO_WORLD), "destination_ip", "destination_pod") == set()
    assert holders(packet(), "source_workload", "traffic_direction") == set()
