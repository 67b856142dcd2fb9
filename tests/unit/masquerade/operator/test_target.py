"""Who may write the status of MasqueradePolicies, and when."""

import asyncio

from tests.unit.cluster.watched_cluster import WatchedCluster
from tests.unit.masquerade.policy.policies import policy

from ciliate.api.masquerade_policy import MASQUERADE_POLICIES, MasqueradePolicy
from ciliate.kube.client import ApiClient
from ciliate.kube.informer import Informer
from ciliate.masquerade.operator.target import PolicyStatusTarget


async def test_nothing_is_asked_for_before_all_is_read_nor_after_the_lead_is_lost(
    client: ApiClient,
) -> None:
    await client.create(MASQUERADE_POLICIES, policy({"source": "Pod"}, name="a"))
    cluster = WatchedCluster(client)
    table: Informer[MasqueradePolicy] = Informer(client, MASQUERADE_POLICIES)
    target = PolicyStatusTarget(client, table, may_act=cluster.context.may_act)
    assert target.desired() is None

    task = asyncio.ensure_future(table.run())
    await table.synced()
    assert list(target.desired() or ()) == ["a"]

    cluster.may_act = False
    assert target.desired() is None
    task.cancel()
    await asyncio.wait([task])


async def test_verdict_of_a_version_that_is_not_the_latest_is_not_written(
    client: ApiClient,
) -> None:
    await client.create(MASQUERADE_POLICIES, policy({"source": "Pod"}, name="a"))
    table: Informer[MasqueradePolicy] = Informer(client, MASQUERADE_POLICIES)
    target = PolicyStatusTarget(client, table, may_act=lambda: True)
    task = asyncio.ensure_future(table.run())
    await table.synced()
    wanted = target.desired()
    assert wanted is not None
    task.cancel()  # The table is behind from now on.
    await asyncio.wait([task])
    later = policy({"source": "Device"}, name="a")
    await client.patch(MASQUERADE_POLICIES, "a", {"spec": later.spec})

    assert await target.put(wanted) == {}

    assert (await client.get(MASQUERADE_POLICIES, "a")).status.conditions == ()
