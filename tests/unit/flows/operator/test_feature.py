"""`flows/operator/feature.py`: three Secrets are there and good, whatever becomes of them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace
from tests.unit.cluster.watched_cluster import WatchedCluster
from tests.unit.kube.conftest import eventually

from ciliate.api.metadata import ObjectMeta
from ciliate.api.secret import SECRETS, Secret
from ciliate.flows.operator.feature import AUTHORITY, HubbleCertificates
from ciliate.flows.operator.plan import CA_CERT, CA_KEY, Trust, trust_data
from ciliate.flows.operator.settings import HubbleTlsSettings
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import NotFoundError
from ciliate.system.certificates import Authority

NAMESPACE = "kube-system"
SERVERS, RELAYS = "hubble-server-certs", "hubble-relay-client-certs"
ALL = (AUTHORITY, SERVERS, RELAYS)
BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
DAY, YEAR = timedelta(days=1), timedelta(days=365)


@dataclass
class Bench:
    """The feature of a leader, whose clock the test moves."""

    client: ApiClient
    cluster_name: str = "default"
    now: datetime = BEGIN
    cluster: WatchedCluster = field(init=False)
    feature: HubbleCertificates = field(init=False)

    def __post_init__(self) -> None:
        self.cluster = WatchedCluster(self.client)
        self.feature = self.made(self.cluster_name)

    def made(self, cluster_name: str, *, enabled: bool = True) -> HubbleCertificates:
        settings = HubbleTlsSettings(enabled=enabled, validity=YEAR, cluster=cluster_name)
        return HubbleCertificates(self.cluster.context, settings, clock=lambda: self.now)

    async def keep(self) -> None:
        await self.feature.keep()

    async def get(self, name: str) -> Secret | None:
        try:
            return await self.client.get(SECRETS, name, namespace=NAMESPACE)
        except NotFoundError:
            return None

    async def secret(self, name: str) -> Secret:
        found = await self.get(name)
        assert found is not None, f"there is no {name}"
        return found

    async def versions(self) -> dict[str, str]:
        found = {name: await self.get(name) for name in ALL}
        return {n: each.metadata.resource_version for n, each in found.items() if each}

    async def put(self, name: str, data: Mapping[str, bytes]) -> Secret:
        """Create a Secret as somebody else would."""
        meta = ObjectMeta(name=name, namespace=NAMESPACE)
        return await self.client.create(SECRETS, Secret(metadata=meta, data=dict(data)))

    async def remove(self, name: str) -> None:
        await self.client.delete(SECRETS, name, namespace=NAMESPACE)


@pytest.fixture
async def bench(client: ApiClient) -> Bench:
    return Bench(client)


def certificate(secret: Secret, name: str = "tls.crt") -> x509.Certificate:
    return x509.load_pem_x509_certificate(secret.data[name])


async def test_all_are_made_where_there_is_none(bench: Bench) -> None:
    await bench.keep()

    authority = certificate(await bench.secret(AUTHORITY), CA_CERT)
    for name in (SERVERS, RELAYS):
        secret = await bench.secret(name)
        certificate(secret).verify_directly_issued_by(authority)
        assert secret.type == "kubernetes.io/tls"
        assert secret.data[CA_CERT] == (await bench.secret(AUTHORITY)).data[CA_CERT]
        assert CA_KEY not in secret.data, "who serves does not sign"
        assert certificate(secret).not_valid_after_utc == BEGIN + YEAR


async def test_second_round_writes_nothing(bench: Bench) -> None:
    await bench.keep()
    before = await bench.versions()

    await bench.keep()
    await bench.made("default").keep()  # Of another operator, which leads behind this one.

    assert await bench.versions() == before
    assert before.keys() == {*ALL}


async def test_certificates_near_their_end_are_renewed_once_and_the_authority_stays(
    bench: Bench,
) -> None:
    await bench.keep()
    before = await bench.versions()

    bench.now += 250 * DAY
    await bench.keep()
    renewed = await bench.versions()
    await bench.keep()

    assert renewed[AUTHORITY] == before[AUTHORITY]
    assert all(renewed[name] != before[name] for name in (SERVERS, RELAYS))
    assert await bench.versions() == renewed
    assert certificate(await bench.secret(SERVERS)).not_valid_after_utc == bench.now + YEAR


async def test_authority_near_its_end_is_renewed_with_all_that_it_signed(bench: Bench) -> None:
    await bench.keep()
    before = certificate(await bench.secret(AUTHORITY), CA_CERT)

    bench.now += 7 * YEAR
    await bench.keep()
    versions = await bench.versions()
    await bench.keep()

    bundle = (await bench.secret(AUTHORITY)).data[CA_CERT]
    new, former = x509.load_pem_x509_certificates(bundle)
    assert former == before != new
    for name in (SERVERS, RELAYS):
        secret = await bench.secret(name)
        certificate(secret).verify_directly_issued_by(new)
        assert secret.data[CA_CERT] == bundle
    assert await bench.versions() == versions


@pytest.mark.parametrize("name", [SERVERS, RELAYS])
async def test_deleted_certificate_comes_back(bench: Bench, name: str) -> None:
    await bench.keep()
    before = await bench.versions()
    await bench.remove(name)

    await bench.keep()

    after = await bench.versions()
    assert after.keys() == before.keys()
    assert [each for each in ALL if after[each] != before[each]] == [name]


async def test_deleted_authority_comes_back_as_another_with_new_certificates(
    bench: Bench,
) -> None:
    await bench.keep()
    await bench.remove(AUTHORITY)

    await bench.keep()

    authority = certificate(await bench.secret(AUTHORITY), CA_CERT)
    for name in (SERVERS, RELAYS):
        certificate(await bench.secret(name)).verify_directly_issued_by(authority)


@pytest.mark.parametrize("name", ALL)
async def test_own_secret_that_somebody_damaged_is_repaired(bench: Bench, name: str) -> None:
    await bench.keep()
    found = await bench.secret(name)
    await bench.client.update(SECRETS, replace(found, data=dict.fromkeys(found.data, b"text")))

    await bench.keep()
    versions = await bench.versions()
    await bench.keep()

    authority = certificate(await bench.secret(AUTHORITY), CA_CERT)
    certificate(await bench.secret(SERVERS)).verify_directly_issued_by(authority)
    assert await bench.versions() == versions


async def test_certificates_are_made_anew_for_another_name_of_the_cluster(bench: Bench) -> None:
    await bench.keep()
    before = await bench.versions()

    await bench.made("east").keep()

    after = await bench.versions()
    assert [each for each in ALL if after[each] != before[each]] == [SERVERS]
    names = certificate(await bench.secret(SERVERS)).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["*.east.hubble-grpc.cilium.io"]


async def test_certificate_of_somebody_else_is_left_alone(bench: Bench) -> None:
    """As cert-manager makes them, without our label."""
    await bench.put(SERVERS, {"tls.crt": b"its", "tls.key": b"own"})

    await bench.keep()

    assert (await bench.secret(SERVERS)).data == {"tls.crt": b"its", "tls.key": b"own"}
    assert await bench.get(RELAYS) is not None


async def test_authority_of_somebody_else_signs_and_is_left_alone(bench: Bench) -> None:
    """Also when its end is near: whoever made it renews it."""
    other = Authority.make("company", lifetime=YEAR, now=bench.now - 300 * DAY)
    data = trust_data(Trust(other, other.certificate_pem))
    theirs = await bench.put(AUTHORITY, data)

    await bench.keep()

    assert await bench.secret(AUTHORITY) == theirs
    for name in (SERVERS, RELAYS):
        secret = await bench.secret(name)
        certificate(secret).verify_directly_issued_by(other.certificate)
        assert secret.data[CA_CERT] == data[CA_CERT]


async def test_authority_of_somebody_else_that_cannot_sign_is_told_once_and_nothing_is_signed(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    other = Authority.make("company", lifetime=YEAR)
    wrong = Authority(other.certificate, ec.generate_private_key(ec.SECP256R1()))
    theirs = await bench.put(AUTHORITY, trust_data(Trust(wrong, other.certificate_pem)))

    for _ in range(3):
        await bench.keep()

    assert await bench.versions() == {AUTHORITY: theirs.metadata.resource_version}
    told = [each.getMessage() for each in caplog.records if "nothing is signed" in each.message]
    assert len(told) == 1
    assert "kube-system/cilium-ca" in told[0]
    assert "the key of another" in told[0]


async def test_authority_that_becomes_usable_is_used(bench: Bench) -> None:
    other = Authority.make("company", lifetime=YEAR, now=bench.now)
    theirs = await bench.put(AUTHORITY, {CA_CERT: other.certificate_pem})
    await bench.keep()
    assert await bench.get(SERVERS) is None

    data = trust_data(Trust(other, other.certificate_pem))
    await bench.client.update(SECRETS, replace(theirs, data=data))
    await bench.keep()

    certificate(await bench.secret(SERVERS)).verify_directly_issued_by(other.certificate)


class Overtaken(HubbleCertificates):
    """Another operator writes between this one's look and its writing."""

    def __init__(self, bench: Bench, name: str) -> None:
        super().__init__(
            bench.cluster.context,
            HubbleTlsSettings(enabled=True, validity=YEAR, cluster="default"),
            clock=lambda: bench.now,
        )
        self._bench, self._name, self._left = bench, name, 1

    async def _get(self, name: str) -> Secret | None:
        found = await super()._get(name)
        if name == self._name and self._left:
            self._left = 0
            if found is None:
                await self._bench.keep()
            else:
                labels = {**found.metadata.labels, "seen": "true"}
                meta = replace(found.metadata, labels=labels)
                await self._bench.client.update(SECRETS, replace(found, metadata=meta))
        return found


@pytest.mark.parametrize("name", [AUTHORITY, SERVERS])
async def test_who_was_overtaken_leaves_it_to_the_next_round(bench: Bench, name: str) -> None:
    """Created by another meanwhile: ours would be a second authority."""
    slow = Overtaken(bench, name)

    await slow.keep()
    first = await bench.versions()
    await slow.keep()

    assert first.keys() == {*ALL}
    assert await bench.versions() == first


async def test_change_of_another_writer_is_not_overwritten(bench: Bench) -> None:
    await bench.keep()
    bench.now += 250 * DAY
    slow = Overtaken(bench, SERVERS)

    await slow.keep()
    assert certificate(await bench.secret(SERVERS)).not_valid_after_utc == BEGIN + YEAR

    await slow.keep()
    secret = await bench.secret(SERVERS)
    assert secret.metadata.labels["seen"] == "true"
    assert certificate(secret).not_valid_after_utc == bench.now + YEAR


async def test_who_may_not_act_writes_nothing(bench: Bench) -> None:
    bench.cluster.may_act = False

    await bench.keep()

    assert await bench.versions() == {}


async def test_who_ceases_to_lead_renews_nothing(bench: Bench) -> None:
    await bench.keep()
    before = await bench.versions()
    bench.cluster.may_act = False
    bench.now += 7 * YEAR

    await bench.keep()

    assert await bench.versions() == before


async def test_task_keeps_them_right(bench: Bench) -> None:
    [run] = bench.feature.tasks()
    task = asyncio.ensure_future(run())
    try:
        names: dict[str, str] = {}

        async def look() -> None:
            while names.keys() != {*ALL}:
                names.update(await bench.versions())

        async with asyncio.timeout(20):
            await look()
        await eventually(lambda: not task.done())
    finally:
        task.cancel()
        await asyncio.wait([task])


def test_there_is_nothing_to_do_where_nobody_needs_them() -> None:
    bench = Bench(ApiClient.__new__(ApiClient))

    assert bench.made("default", enabled=False).tasks() == ()
