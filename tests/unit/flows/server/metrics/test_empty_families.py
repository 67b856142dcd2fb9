"""`flows/server/metrics/empty_families.py`: dashboards find what there is nothing of."""

from ciliate.config.hubble_metrics_settings import HubbleMetric
from ciliate.flows.server.metrics.empty_families import empty_families


def names(metric: str, *switches: str) -> dict[str, tuple[str, ...]]:
    return {
        each.name: each.labels for each in empty_families(HubbleMetric(metric, {}, (), switches))
    }


def test_http_is_one_of_two_sets_of_metrics() -> None:
    assert names("httpV2")["hubble_http_requests_total"] == (
        *("method", "protocol", "status", "reporter"),
    )
    assert "hubble_http_responses_total" not in names("httpV2")
    assert names("http")["hubble_http_responses_total"] == ("method", "status", "reporter")


def test_names_that_are_asked_for_are_a_label_if_wanted() -> None:
    assert "query" not in names("dns")["hubble_dns_queries_total"]
    assert names("dns", "query")["hubble_dns_queries_total"][-1] == "query"
