"""`services/health_answers.py`: kube-proxy's answers."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from ciliate.api.core import Node, NodeSpec, Taint
from ciliate.api.metadata import ObjectMeta
from ciliate.services.health_answers import (
    HealthCheck,
    is_eligible,
    proxy_answer,
    service_answer,
)

NOW = datetime(2026, 11, 29, 19, 40, tzinfo=UTC)
BEFORE = NOW - timedelta(minutes=5)


@pytest.mark.parametrize(
    ("endpoints", "is_proxy_healthy", "status"),
    [(2, True, 200), (0, True, 503), (2, False, 503)],
)
def test_node_with_endpoints_and_a_proxy_is_asked_for_traffic(
    endpoints: int, status: int, *, is_proxy_healthy: bool
) -> None:
    check = HealthCheck("default", "web", endpoints)

    answer = service_answer(check, is_proxy_healthy=is_proxy_healthy)

    assert answer.status == status
    assert answer.headers == {
        "Content-Type": "application/json",
        "X-Content-Type-Options": "nosniff",
        "X-Load-Balancing-Endpoint-Weight": str(endpoints),
    }
    assert json.loads(answer.body) == {
        "service": {"namespace": "default", "name": "web"},
        "localEndpoints": endpoints,
        "serviceProxyHealthy": is_proxy_healthy,
    }


def test_healthy_proxy_was_updated_now() -> None:
    answer = proxy_answer(NOW, is_healthy=True, last_updated=BEFORE, is_eligible=True)

    assert answer.status == 200
    assert json.loads(answer.body) == {
        "lastUpdated": "2026-11-29 19:40:00.000000 +0000 UTC",
        "currentTime": "2026-11-29 19:40:00.000000 +0000 UTC",
        "nodeEligible": True,
    }


@pytest.mark.parametrize(("is_healthy", "eligible"), [(False, True), (True, False)])
def test_proxy_that_is_not_well_says_when_it_was_updated(
    *, is_healthy: bool, eligible: bool
) -> None:
    answer = proxy_answer(NOW, is_healthy=is_healthy, last_updated=BEFORE, is_eligible=eligible)

    assert answer.status == 503
    body = json.loads(answer.body)
    assert body["lastUpdated"] == "2026-11-29 19:35:00.000000 +0000 UTC"
    assert body["nodeEligible"] == eligible


def test_proxy_lives_whatever_becomes_of_its_node() -> None:
    answer = proxy_answer(NOW, is_healthy=True, last_updated=BEFORE, is_eligible=None)

    assert answer.status == 200
    assert "nodeEligible" not in json.loads(answer.body)


@pytest.mark.parametrize(
    ("node", "stays"),
    [
        (None, True),
        (Node(), True),
        (Node(spec=NodeSpec(taints=(Taint(key="other", effect="NoSchedule"),))), True),
        (Node(metadata=ObjectMeta(deletion_timestamp="2026-11-29T19:40:00Z")), False),
        (
            Node(
                spec=NodeSpec(
                    taints=(Taint(key="ToBeDeletedByClusterAutoscaler", effect="NoSchedule"),)
                )
            ),
            False,
        ),
    ],
)
def test_node_that_is_about_to_go_is_not_eligible(node: Node | None, *, stays: bool) -> None:
    assert is_eligible(node) == stays
