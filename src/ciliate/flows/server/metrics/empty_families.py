"""Metrics whose events there are none of yet: they have their families, and no series. Pure.

The datapath tells neither of requests (DNS, HTTP, Kafka) nor of policies' verdicts. Dashboards find
the metrics, and nothing is invented.
"""

from dataclasses import dataclass

from ciliate.config.hubble_metrics_settings import HubbleMetric
from ciliate.metrics.family import FamilyKind


@dataclass(frozen=True, slots=True)
class EmptyFamily:
    """A metric whose events there are none of yet."""

    name: str
    meaning: str
    labels: tuple[str, ...]
    kind: FamilyKind = FamilyKind.COUNTER


def empty_families(metric: HubbleMetric) -> tuple[EmptyFamily, ...]:
    """Return the families of a metric that nothing is counted in."""
    reporter = ("method", "reporter")
    duration = EmptyFamily(
        "hubble_http_request_duration_seconds",
        "How long HTTP requests took.",
        reporter,
        FamilyKind.HISTOGRAM,
    )
    match metric.name:
        case "dns":
            query = ("query",) if "query" in metric.switches else ()
            own = ("rcode", "qtypes", "ips_returned", *query)
            types = ("type", "qtypes", *query)
            return (
                EmptyFamily("hubble_dns_queries_total", "DNS queries.", own),
                EmptyFamily("hubble_dns_responses_total", "DNS responses.", own),
                EmptyFamily("hubble_dns_response_types_total", "Records of DNS responses.", types),
            )
        case "http":
            return (
                EmptyFamily(
                    "hubble_http_requests_total",
                    "HTTP requests.",
                    ("method", "protocol", "reporter"),
                ),
                EmptyFamily(
                    "hubble_http_responses_total",
                    "HTTP responses.",
                    ("method", "status", "reporter"),
                ),
                duration,
            )
        case "httpV2":
            requests = ("method", "protocol", "status", "reporter")
            return (
                EmptyFamily("hubble_http_requests_total", "HTTP requests.", requests),
                duration,
            )
        case "kafka":
            own = ("topic", "api_key", "error_code", "reporter")
            return (
                EmptyFamily("hubble_kafka_requests_total", "Kafka requests.", own),
                EmptyFamily(
                    "hubble_kafka_request_duration_seconds",
                    "How long Kafka requests took.",
                    own,
                    FamilyKind.HISTOGRAM,
                ),
            )
        case "policy":
            return (
                EmptyFamily(
                    "hubble_policy_verdicts_total",
                    "Verdicts of policies.",
                    ("direction", "match", "action"),
                ),
            )
        case _:
            return ()
