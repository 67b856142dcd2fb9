"""`kube/listable.py`: an answer is one, whatever it says, and silence is asked again."""

import asyncio

import pytest
from tests.unit.kube.conftest import FakeApi

from ciliate.api.service_cidr import SERVICE_CIDRS
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ForbiddenError, InvalidError, NotFoundError
from ciliate.kube.listable import list_refusal


async def test_kind_that_is_there_is_not_refused(api: FakeApi, client: ApiClient) -> None:
    await api.put(f"{SERVICE_CIDRS.path()}/kubernetes", {"spec": {"cidrs": ["10.96.0.0/16"]}})

    assert await list_refusal(client, SERVICE_CIDRS) is None


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (403, "Forbidden", ForbiddenError),
        (401, "Unauthorized", ForbiddenError),
        (404, "NotFound", NotFoundError),
        (422, "Invalid", InvalidError),
    ],
)
async def test_refusal_is_returned_as_what_it_is(
    api: FakeApi, client: ApiClient, status: int, reason: str, kind: type[Exception]
) -> None:
    api.faults = [(status, {"kind": "Status", "reason": reason, "message": "no"})]

    assert isinstance(await list_refusal(client, SERVICE_CIDRS), kind)


async def test_busy_server_is_asked_until_it_answers_and_said_once(
    api: FakeApi, client: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    busy = (503, {"kind": "Status", "reason": "ServiceUnavailable", "message": "starting"})
    api.faults = [busy, busy]
    await api.put(f"{SERVICE_CIDRS.path()}/kubernetes", {"spec": {"cidrs": ["10.96.0.0/16"]}})

    async with asyncio.timeout(10):
        assert await list_refusal(client, SERVICE_CIDRS) is None

    assert caplog.text.count("trying again") == 1
