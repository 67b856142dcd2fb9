"""Which Leases the operator removes: those of announcements that no Service needs, and no others."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress

import pytest
from tests.unit.kube.conftest import FakeApi, eventually

from ciliate.api.coordination import LEASES, Lease
from ciliate.kube.client import ApiClient
from ciliate.kube.credentials import Credentials
from ciliate.kube.informer import Informer
from ciliate.l2_announcements.operator.targets import LeaseTarget

PATH = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{}"
WEB, OLD, OTHERS = "cilium-l2announce-default-web", "cilium-l2announce-default-old", "lock"


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    found = FakeApi()
    await found.start()
    for name in (WEB, OLD, OTHERS):
        meta = {"name": name, "namespace": "kube-system"}
        await found.put(PATH.format(name), {"metadata": meta, "spec": {}})
    yield found
    await found.stop()


@asynccontextmanager
async def target(
    api: FakeApi, wanted: Collection[str] | None, *, leads: bool = True
) -> AsyncIterator[LeaseTarget]:
    """A target on a table that is followed and complete."""
    async with ApiClient(Credentials(api.url)) as client:
        table: Informer[Lease] = Informer(client, LEASES, namespace="kube-system")
        following = asyncio.create_task(table.run())
        await eventually(lambda: table.has_synced)
        yield LeaseTarget(client, table, "kube-system", lambda: wanted, may_act=lambda: leads)
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


async def test_leases_of_announcements_are_looked_at_and_no_others(api: FakeApi) -> None:
    async with target(api, {WEB}) as found:
        assert await found.observe() == {WEB: True, OLD: True}
        assert found.desired() == {WEB: True}


async def test_lease_that_no_service_needs_is_removed(api: FakeApi) -> None:
    async with target(api, {WEB}) as found:
        assert dict(await found.remove([OLD, "cilium-l2announce-default-never"])) == {}

    assert set(api.objects) == {PATH.format(WEB), PATH.format(OTHERS)}


@pytest.mark.parametrize(("wanted", "leads"), [(None, True), ({WEB}, False)])
async def test_nothing_is_said_before_all_is_known_or_by_who_does_not_lead(
    api: FakeApi, wanted: set[str] | None, *, leads: bool
) -> None:
    async with target(api, wanted, leads=leads) as found:
        assert found.desired() is None


async def test_lease_that_is_gone_meanwhile_is_no_failure(api: FakeApi) -> None:
    async with target(api, {WEB}) as found:
        await api.remove(PATH.format(OLD))

        assert dict(await found.remove([OLD])) == {}
