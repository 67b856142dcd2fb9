"""`agent/report.py`: what a feature brings is answered, though the agent never heard of it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import ClassVar, cast

import msgspec
import pytest

from ciliate.agent.report import Report
from ciliate.agent.running_node import RunningNode
from ciliate.errors import CiliateError
from ciliate.ipam.status import IpamStatus
from ciliate.kube.errors import UnavailableError
from ciliate.masquerade.status import Masquerading
from ciliate.metrics.server import Metrics
from ciliate.node.context import Context
from ciliate.node.feature import Action, Answer, Feature
from ciliate.reconcile.status import KeyFailure, RunStatus
from ciliate.routing.status import Routing

NOW = datetime(2026, 11, 29, tzinfo=UTC)


class Required(Feature):
    """The parts of the status that are never absent."""

    name: ClassVar[str] = "required"

    def status(self) -> Mapping[str, object]:
        return {
            "ipam": IpamStatus(status="IPv4: 3/254 allocated from 10.244.0.0/24, "),
            "masquerading": Masquerading(mode="BPF"),
            "routing": Routing(inter_host_routing_mode="Native", intra_host_routing_mode="BPF"),
        }


class Example(Feature):
    """A feature that the agent has not heard of."""

    name: ClassVar[str] = "example"

    def __init__(self) -> None:
        self.said = b""

    def answers(self) -> Mapping[str, Answer]:
        return {"example": lambda: {"examples": 3}, "example/long": self._long}

    def actions(self) -> Mapping[str, Action]:
        return {"example/change": self._change}

    async def _long(self) -> object:
        return {"examples": 3000}

    async def _change(self, body: bytes) -> object:
        if not body:
            raise CiliateError("example/change: says nothing")
        self.said = body
        return {"changed": True}

    def status(self) -> Mapping[str, object]:
        return {"attach_mode": "tc"}


class Api:
    """A server that is away."""

    async def get_json(self, path: str) -> object:
        raise UnavailableError(verb="get", target=path, detail="away", status=503)


def report(*features: Feature, statuses: tuple[RunStatus, ...] = ()) -> Report:
    context = SimpleNamespace(cluster=SimpleNamespace(problem=""), client=Api())
    node = RunningNode(
        cast("Context", context),
        features,
        statuses,
        cast("Metrics", None),
    )
    return Report(node, warnings=(), started_at=NOW)


async def test_a_features_paths_are_answered_and_no_others() -> None:
    example = Example()
    made = report(Required(), example)

    assert await made.answer("example") == {"examples": 3}
    assert await made.answer("example/long") == {"examples": 3000}
    assert await made.act("example/change", b"more") == {"changed": True}
    assert example.said == b"more"
    assert await made.answer("example/change") is None
    assert await made.act("example", b"") is None
    with pytest.raises(CiliateError, match="says nothing"):
        await made.act("example/change", b"")


async def test_the_status_is_what_the_features_say_put_together() -> None:
    status = await report(Required(), Example()).status()

    assert status.ipam.status.startswith("IPv4: 3/254")
    assert status.attach_mode == "tc"
    assert (status.kubernetes.state, status.started_at) == ("Failure", NOW)


async def test_a_failing_key_is_shown_with_what_since_when_and_the_next_try() -> None:
    run = RunStatus("sync-examples")
    run.failed("1 failed; first 10.244.1.7: map is full")
    run.failing_keys = {"10.244.1.7": KeyFailure("map is full", NOW, NOW, attempts=2)}

    (controller,) = (await report(Required(), statuses=(run,)).status()).controllers

    document = msgspec.to_builtins(controller)
    assert document["status"]["failing-keys"] == {
        "10.244.1.7": {
            "msg": "map is full",
            "since": "2026-11-29T00:00:00Z",
            "next-try": "2026-11-29T00:00:00Z",
            "attempts": 2,
        }
    }
