"""The operator's judgement stands in each object's status, against the embedded API server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.unit.cluster.watched_cluster import WatchedCluster
from tests.unit.masquerade.policy.policies import policy

from ciliate.api.masquerade_policy import MASQUERADE_POLICIES
from ciliate.api.metadata import Condition
from ciliate.kube.client import ApiClient
from ciliate.masquerade.operator.feature import MasqueradePolicies

KEEP, WRONG = {"source": "Pod"}, {"source": "Address", "addresses": ["127.0.0.1"]}


@asynccontextmanager
async def judging(cluster: WatchedCluster) -> AsyncIterator[None]:
    """An operator's part that leads."""
    feature = MasqueradePolicies(cluster.context)
    running = [
        asyncio.ensure_future(run())
        for run in (*feature.tasks(), *(each.run for each in feature.reconcilers()))
    ]
    try:
        yield
    finally:
        for each in running:
            each.cancel()
        await asyncio.wait(running)


async def _accepted(client: ApiClient, name: str, *, generation: int) -> Condition:
    """Return the condition, once it is about this generation."""
    async with asyncio.timeout(5):
        while True:
            found = await client.get(MASQUERADE_POLICIES, name)
            for condition in found.status.conditions:
                if condition.observed_generation == generation:
                    return condition
            await asyncio.sleep(0.01)


async def test_verdict_follows_the_object(client: ApiClient) -> None:
    async with judging(WatchedCluster(client)):
        await client.create(MASQUERADE_POLICIES, policy(KEEP, KEEP, name="a"))
        first = await _accepted(client, "a", generation=1)
        assert (first.type, first.status, first.reason) == ("Accepted", "True", "Accepted")
        assert (await client.get(MASQUERADE_POLICIES, "a")).status.rules == 2

        body = {"spec": policy(KEEP, WRONG).spec}
        await client.patch(MASQUERADE_POLICIES, "a", body)
        second = await _accepted(client, "a", generation=2)
        assert (second.status, second.reason) == ("False", "Invalid")
        assert second.message.startswith('spec.rules[1].addresses[0]: "127.0.0.1" is no address')
        assert (await client.get(MASQUERADE_POLICIES, "a")).status.rules == 0

        await client.patch(MASQUERADE_POLICIES, "a", {"spec": policy(KEEP).spec})
        assert (await _accepted(client, "a", generation=3)).status == "True"


async def test_status_that_somebody_changes_is_put_right(client: ApiClient) -> None:
    async with judging(WatchedCluster(client)):
        await client.create(MASQUERADE_POLICIES, policy(KEEP, name="a"))
        await _accepted(client, "a", generation=1)

        body = {"status": {"rules": 9, "conditions": None}}
        await client.patch(MASQUERADE_POLICIES, "a", body, subresource="status")

        assert (await _accepted(client, "a", generation=1)).status == "True"
