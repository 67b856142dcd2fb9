import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.unit.kube.conftest import FakeApi, eventually

from ciliate.api.cilium_node import CILIUM_NODES, CiliumNode
from ciliate.api.core import NODES, Node
from ciliate.api.metadata import ObjectMeta
from ciliate.kube.client import ApiClient
from ciliate.kube.credentials import Credentials
from ciliate.kube.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    KubeError,
    NotFoundError,
    UnavailableError,
)
from ciliate.kube.transport import Limits
from ciliate.net.address import ip_address

W1 = "/api/v1/nodes/k8s-w1"


async def test_an_object_is_read_as_its_struct(api: FakeApi, client: ApiClient) -> None:
    await api.put(W1, {"spec": {"podCIDR": "10.244.1.0/24", "novelty": [1]}})

    node = await client.get(NODES, "k8s-w1")

    assert node.metadata.name == "k8s-w1"
    assert node.spec.pod_cidr == "10.244.1.0/24"


async def test_create_sends_api_version_and_kind_that_structs_lack(
    api: FakeApi, client: ApiClient
) -> None:
    made = await client.create(CILIUM_NODES, CiliumNode(metadata=ObjectMeta(name="k8s-w1")))

    stored = api.objects["/apis/cilium.io/v2/ciliumnodes/k8s-w1"]
    assert (stored["apiVersion"], stored["kind"]) == ("cilium.io/v2", "CiliumNode")
    assert stored["spec"]["ipam"] == {"pools": {}}
    assert made.metadata.uid


async def test_a_patch_keeps_fields_that_structs_do_not_know(
    api: FakeApi, client: ApiClient
) -> None:
    await api.put(W1, {"spec": {"podCIDR": "10.244.1.0/24", "novelty": [1]}})

    await client.patch(NODES, "k8s-w1", {"metadata": {"labels": {"a": "b"}}})

    assert api.objects[W1]["spec"]["novelty"] == [1]
    assert api.objects[W1]["metadata"]["labels"] == {"a": "b"}


async def test_a_list_is_fetched_in_chunks_and_is_whole(api: FakeApi, client: ApiClient) -> None:
    for number in range(1201):
        await api.put(f"/api/v1/nodes/n{number:04}", {})

    found = await client.list(NODES)

    assert len(found.items) == 1201
    assert found.resource_version == "1201"
    assert len(api.requests) == 3


async def test_a_list_whose_chunks_expired_is_fetched_again_in_one(
    api: FakeApi, client: ApiClient
) -> None:
    for number in range(3):
        await api.put(f"/api/v1/nodes/n{number}", {})
    api.faults.append((410, {"kind": "Status", "code": 410, "reason": "Expired"}))

    found = await client.list(NODES)

    assert len(found.items) == 3
    assert "limit" not in api.requests[-1]


async def test_an_unreadable_object_of_a_list_is_named_and_the_others_are_read(
    api: FakeApi, client: ApiClient
) -> None:
    await api.put(W1, {"spec": {"taints": "garbage"}})
    await api.put("/api/v1/nodes/k8s-w2", {})

    found = await client.list(NODES)

    assert [node.metadata.name for node in found.items] == ["k8s-w2"]
    assert found.unreadable == {("", "k8s-w1")}


async def test_create_of_a_taken_name_is_its_own_error(api: FakeApi, client: ApiClient) -> None:
    await api.put(W1, {})

    with pytest.raises(AlreadyExistsError, match=r"create nodes k8s-w1: .*already exists"):
        await client.create(NODES, Node(metadata=ObjectMeta(name="k8s-w1")))


async def test_delete_of_another_object_of_that_name_conflicts(
    api: FakeApi, client: ApiClient
) -> None:
    await api.put(W1, {})

    with pytest.raises(ConflictError):
        await client.delete(NODES, "k8s-w1", uid="of-its-predecessor")

    assert W1 in api.objects


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (400, "BadRequest", InvalidError),
        (401, "Unauthorized", ForbiddenError),
        (403, "Forbidden", ForbiddenError),
        (404, "NotFound", NotFoundError),
        (409, "Conflict", ConflictError),
        (409, "AlreadyExists", AlreadyExistsError),
        (410, "Expired", GoneError),
        (418, "", KubeError),
        (422, "Invalid", InvalidError),
        (429, "TooManyRequests", UnavailableError),
        (500, "InternalError", UnavailableError),
        (503, "ServiceUnavailable", UnavailableError),
    ],
)
async def test_each_refusal_has_its_error(
    api: FakeApi, client: ApiClient, code: int, reason: str, kind: type[KubeError]
) -> None:
    body = {"kind": "Status", "code": code, "reason": reason, "message": "because"}
    api.faults.append((code, body))

    with pytest.raises(KubeError, match=r"get nodes k8s-w1: because \(HTTP") as caught:
        await client.get(NODES, "k8s-w1")

    assert type(caught.value) is kind
    assert (caught.value.verb, caught.value.status) == ("get", code)


async def test_the_wish_of_an_overloaded_server_is_passed_on(
    api: FakeApi, client: ApiClient
) -> None:
    api.faults.append((429, {"kind": "Status", "details": {"retryAfterSeconds": 7}}))

    with pytest.raises(UnavailableError) as caught:
        await client.get(NODES, "k8s-w1")

    assert caught.value.retry_after_s == 7


async def test_a_refused_connection_is_unavailable(api: FakeApi, client: ApiClient) -> None:
    await api.stop()

    with pytest.raises(UnavailableError, match=r"no connection to http://127\.0\.0\.1"):
        await client.get(NODES, "k8s-w1")


async def test_a_server_that_accepts_and_never_answers_is_unavailable_in_time(
    api: FakeApi,
) -> None:
    api.running.clear()

    async with ApiClient(Credentials(api.url), limits=Limits(request_s=0.1)) as client:
        with pytest.raises(UnavailableError, match="no answer"):
            await client.get(NODES, "k8s-w1")


async def test_an_answer_that_is_no_kubernetes_object_is_unavailable(
    api: FakeApi, client: ApiClient
) -> None:
    api.faults.append((200, {"metadata": "a proxy's page"}))

    with pytest.raises(UnavailableError, match="the answer is not a Node"):
        await client.get(NODES, "k8s-w1")


async def test_a_silent_watch_ends_when_the_server_stops_answering_probes(
    api: FakeApi, client: ApiClient
) -> None:
    watch = client.watch(NODES, resource_version="0")
    assert await anext(watch) == []
    api.running.clear()

    with pytest.raises(UnavailableError, match="no answer within"):
        async with asyncio.timeout(3):
            await anext(watch)


async def test_a_silent_watch_goes_on_while_the_server_answers_probes(
    api: FakeApi, client: ApiClient
) -> None:
    watch = client.watch(NODES, resource_version="0")
    assert await anext(watch) == []
    arrival = asyncio.ensure_future(anext(watch))
    await eventually(lambda: api.requests.count("GET /livez") >= 2)

    await api.put(W1, {})

    batch = await arrival
    assert [event.object.metadata.name for event in batch] == ["k8s-w1"]
    await watch.aclose()


async def test_connections_from_an_address_that_was_lost_end_at_once(
    api: FakeApi, client: ApiClient
) -> None:
    """The kernel would go on trying for half a minute, and for a request a quarter of an hour."""
    watch = client.watch(NODES, resource_version="0")
    assert await anext(watch) == []

    assert client.give_up({ip_address("192.0.2.1")}) == 0, "another address than theirs"
    assert client.give_up({ip_address("127.0.0.1")}) == 1

    with pytest.raises(UnavailableError):
        async with asyncio.timeout(1):
            await anext(watch)
    await api.put(W1, {})
    assert (await client.get(NODES, "k8s-w1")).metadata.name == "k8s-w1"


async def test_an_untrusted_certificate_is_named(tmp_path: Path) -> None:
    server = await asyncio.start_server(
        lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=_self_signed(tmp_path)
    )
    port = server.sockets[0].getsockname()[1]

    async with ApiClient(
        Credentials(f"https://127.0.0.1:{port}", tls=ssl.create_default_context())
    ) as client:
        with pytest.raises(UnavailableError, match=r"no secure connection.*certificate"):
            await client.get(NODES, "k8s-w1")

    server.close()


def _self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "server.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context
