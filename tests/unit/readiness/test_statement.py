"""`readiness/statement.py`: when an agent says itself that it is ready."""

from datetime import UTC, datetime, timedelta

import pytest

from ciliate.api.core import Pod, PodStatus
from ciliate.api.metadata import Condition, ObjectMeta
from ciliate.readiness.statement import (
    POD_GRACE_S,
    RENEW_S,
    VALID_S,
    Statement,
    next_statement,
)

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
VALID = timedelta(seconds=VALID_S)


def pod(*, ready: bool) -> Pod:
    condition = Condition(type="Ready", status="True" if ready else "False")
    return Pod(
        metadata=ObjectMeta(name="cilium-x", namespace="kube-system"),
        status=PodStatus(conditions=(condition,)),
    )


def test_agent_without_a_pod_speaks_at_once_and_renews_before_it_ends() -> None:
    first = next_statement(None, (), now=NOW, waited_s=0)
    assert first == Statement(NOW + VALID, again_s=RENEW_S)

    later = NOW + timedelta(seconds=RENEW_S)
    assert next_statement(first.until, (), now=later, waited_s=RENEW_S).until == later + VALID
    assert VALID_S >= 2.5 * RENEW_S, "a write may fail, and clocks differ"


def test_statement_that_was_renewed_a_moment_ago_is_not_written_again() -> None:
    until = NOW + VALID - timedelta(seconds=1)

    assert next_statement(until, (), now=NOW, waited_s=0).until == until


@pytest.mark.parametrize("published", [None, NOW + VALID, NOW - VALID])
def test_agent_whose_pod_is_ready_says_nothing(published: datetime | None) -> None:
    """The kubelet asks it: in a cluster of pods no CiliumNode is written for this."""
    pods = (pod(ready=False), pod(ready=True))

    assert next_statement(published, pods, now=NOW, waited_s=3600).until is None


def test_pod_that_is_not_ready_yet_is_waited_for_and_spoken_for_after_a_while() -> None:
    starting = (pod(ready=False),)

    at_first = next_statement(None, starting, now=NOW, waited_s=0)
    at_last = next_statement(None, starting, now=NOW, waited_s=POD_GRACE_S)

    assert at_first.until is None
    assert 0 < at_first.again_s <= RENEW_S
    assert at_last.until == NOW + VALID
