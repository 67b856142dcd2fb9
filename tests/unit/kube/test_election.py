import asyncio
import time

import pytest
from tests.unit.kube.conftest import FakeApi, eventually

from ciliate.kube.client import ApiClient
from ciliate.kube.election import LeaderElector, Timing
from ciliate.kube.errors import LeadershipLostError

LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/lock"
TIMING = Timing(lease_s=0.9, renew_deadline_s=0.5, retry_s=0.05)


class Candidate:
    """An elector in a task, and whether its work runs."""

    def __init__(self, client: ApiClient, identity: str) -> None:
        self.elector = LeaderElector(
            client, name="lock", namespace="kube-system", identity=identity, timing=TIMING
        )
        self.working = False
        self.finish = asyncio.Event()
        self.task = asyncio.ensure_future(self.elector.run(self._work))

    async def _work(self) -> None:
        self.working = True
        try:
            await self.finish.wait()
        finally:
            self.working = False

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


async def test_of_several_candidates_one_leads(api: FakeApi, client: ApiClient) -> None:
    candidates = [Candidate(client, name) for name in "abcde"]

    await eventually(lambda: any(c.working for c in candidates))
    # Every candidate has read the lease, some twice.
    await eventually(lambda: sum("GET" in request for request in api.requests) > 10)

    assert sum(c.working for c in candidates) == 1
    assert sum(c.elector.is_leader for c in candidates) == 1
    (leader,) = (c for c in candidates if c.working)
    assert api.objects[LEASE]["spec"]["holderIdentity"] == leader.elector.identity
    for candidate in candidates:
        await candidate.stop()


@pytest.mark.parametrize("status", [401, 403, 429, 503])
async def test_candidate_that_is_refused_asks_again_before_its_usual_pause(
    api: FakeApi, client: ApiClient, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    api.faults = [(status, {"kind": "Status", "message": "not now"})] * 2
    elector = LeaderElector(
        client,
        name="lock",
        namespace="kube-system",
        identity="a",
        timing=Timing(lease_s=90.0, renew_deadline_s=60.0, retry_s=30.0),
    )
    finish = asyncio.Event()

    async def work() -> None:
        await finish.wait()

    task = asyncio.ensure_future(elector.run(work))

    await eventually(lambda: elector.is_leader)

    assert [record.message for record in caplog.records if "not now" in record.message] == [
        f"lease kube-system/lock: get leases kube-system/lock: not now (HTTP {status}); trying again"
    ]
    finish.set()
    await task


async def test_a_leader_that_stops_hands_over_at_once(api: FakeApi, client: ApiClient) -> None:
    first = Candidate(client, "first")
    await eventually(lambda: first.working)
    second = Candidate(client, "second")
    await eventually(lambda: second.elector.holder == "first")

    began_at = time.monotonic()
    await first.stop()
    await eventually(lambda: second.working)

    assert time.monotonic() - began_at < TIMING.renew_deadline_s
    assert not first.working
    assert api.objects[LEASE]["spec"]["leaseTransitions"] >= 1
    await second.stop()


async def test_the_lease_of_a_killed_leader_is_taken_when_it_has_run_out(
    api: FakeApi, client: ApiClient
) -> None:
    spec = {"holderIdentity": "killed", "leaseDurationSeconds": 1, "leaseTransitions": 4}
    await api.put(LEASE, {"spec": spec})
    began_at = time.monotonic()
    candidate = Candidate(client, "next")

    await eventually(lambda: candidate.working)

    # By its own clock, from its first read: the times in the lease are another machine's.
    assert time.monotonic() - began_at >= 1
    assert api.objects[LEASE]["spec"]["leaseTransitions"] == 5
    await candidate.stop()


async def test_a_leader_without_the_server_stops_before_its_lease_runs_out(
    api: FakeApi, client: ApiClient
) -> None:
    candidate = Candidate(client, "a")
    await eventually(lambda: candidate.working)

    began_at = time.monotonic()
    await api.stop()
    await eventually(lambda: not candidate.working)

    assert time.monotonic() - began_at < TIMING.lease_s
    assert not candidate.elector.is_leader
    with pytest.raises(LeadershipLostError, match=r"kube-system/lock: not renewed within 0\.5 s"):
        await candidate.task


async def test_a_leader_that_meets_a_silent_server_stops_in_time(
    api: FakeApi, client: ApiClient
) -> None:
    candidate = Candidate(client, "a")
    await eventually(lambda: candidate.working)

    began_at = time.monotonic()
    api.running.clear()
    await eventually(lambda: not candidate.working)

    assert time.monotonic() - began_at < TIMING.lease_s
    with pytest.raises(LeadershipLostError):
        await candidate.task


async def test_a_leader_whose_lease_was_taken_stops(api: FakeApi, client: ApiClient) -> None:
    candidate = Candidate(client, "a")
    await eventually(lambda: candidate.working)

    lease = api.objects[LEASE]
    await api.put(LEASE, {**lease, "spec": {**lease["spec"], "holderIdentity": "usurper"}})
    await eventually(lambda: not candidate.working)

    with pytest.raises(LeadershipLostError):
        await candidate.task
    assert api.objects[LEASE]["spec"]["holderIdentity"] == "usurper"


async def test_work_that_ends_releases_the_lease(api: FakeApi, client: ApiClient) -> None:
    candidate = Candidate(client, "a")
    await eventually(lambda: candidate.working)

    candidate.finish.set()
    await candidate.task

    assert api.objects[LEASE]["spec"]["holderIdentity"] == ""


async def test_fields_of_newer_versions_stay_in_the_lease(api: FakeApi, client: ApiClient) -> None:
    await api.put(LEASE, {"spec": {"holderIdentity": "", "strategy": "OldestEmulationVersion"}})

    candidate = Candidate(client, "a")
    await eventually(lambda: candidate.working)

    assert api.objects[LEASE]["spec"]["strategy"] == "OldestEmulationVersion"
    await candidate.stop()
