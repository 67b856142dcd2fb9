import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.unit.kube.conftest import FakeApi, eventually

from ciliate.api.core import ObjectReference
from ciliate.kube.client import ApiClient
from ciliate.kube.events import QUEUE_EVENTS_MAX, EventRecorder, Severity

POD = ObjectReference(kind="Pod", name="web", namespace="shop", uid="u")
EVENTS = "/api/v1/namespaces/shop/events"


@pytest.fixture
async def recorder(client: ApiClient) -> AsyncIterator[EventRecorder]:
    made = EventRecorder(client, component="cilium-agent", host="k8s-w1")
    task = asyncio.ensure_future(made.run())
    yield made
    task.cancel()


def stored(api: FakeApi) -> list[dict[str, Any]]:
    return [document for path, document in api.objects.items() if "/events/" in path]


def warn(recorder: EventRecorder, message: str = "no address left") -> None:
    recorder.record(POD, severity=Severity.WARNING, reason="PoolFull", message=message)


async def test_an_event_names_its_object_and_its_reporter(
    api: FakeApi, recorder: EventRecorder
) -> None:
    warn(recorder)
    await eventually(lambda: len(stored(api)) == 1)

    (event,) = stored(api)
    assert event["involvedObject"] == {
        "kind": "Pod",
        "name": "web",
        "namespace": "shop",
        "uid": "u",
    }
    assert (event["type"], event["reason"], event["count"]) == ("Warning", "PoolFull", 1)
    assert event["source"] == {"component": "cilium-agent", "host": "k8s-w1"}
    assert event["apiVersion"] == "v1"


async def test_an_event_of_the_longest_name_has_a_name_that_the_api_takes(
    api: FakeApi, recorder: EventRecorder
) -> None:
    longest = ObjectReference(kind="Pod", name="a" * 235 + "-" + "b" * 17, namespace="shop")
    recorder.record(longest, severity=Severity.WARNING, reason="PoolFull", message="none left")
    await eventually(lambda: len(stored(api)) == 1)

    name = stored(api)[0]["metadata"]["name"]
    assert len(name) <= 253
    assert name.startswith("a" * 235 + ".")


async def test_the_same_event_again_is_counted(api: FakeApi, recorder: EventRecorder) -> None:
    for _ in range(3):
        warn(recorder)
    warn(recorder, "another message")
    await eventually(lambda: len(stored(api)) == 2)

    assert [event["count"] for event in stored(api)] == [3, 1]


async def test_an_event_that_the_server_has_forgotten_is_made_anew(
    api: FakeApi, recorder: EventRecorder
) -> None:
    warn(recorder)
    await eventually(lambda: len(stored(api)) == 1)
    for path in [path for path in api.objects if "/events/" in path]:
        await api.remove(path)

    warn(recorder)
    await eventually(lambda: len(stored(api)) == 1)

    assert stored(api)[0]["count"] == 1


async def test_events_are_dropped_and_not_waited_for_while_the_server_is_away(
    api: FakeApi, recorder: EventRecorder
) -> None:
    await api.stop()

    for number in range(QUEUE_EVENTS_MAX + 5):
        warn(recorder, str(number))

    assert recorder.dropped == 5
