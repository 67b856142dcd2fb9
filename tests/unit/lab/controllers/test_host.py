"""All controllers together against the embedded API server, with pods that only pretend to run."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.kube.embedded_server import EmbeddedServer, embedded_server

from ciliate.api.endpoint_slice import (
    ENDPOINT_SLICES,
    TRIGGER_TIME_ANNOTATION,
    EndpointPort,
    EndpointSlice,
    Hint,
)
from ciliate.api.resource import Resource
from ciliate.api.service import SERVICES
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import KubeError
from ciliate.kube.informer import Informer
from ciliate.lab.controllers.host import ControllerHost
from ciliate.lab.objects import (
    DAEMON_SETS,
    DEPLOYMENTS,
    ENDPOINTS,
    NODES,
    PODS,
    REPLICA_SETS,
    Json,
    Pod,
)
from ciliate.reconcile.rewrites import FREE_WRITES

DEADLINE_S = 30.0


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with embedded_server(tmp_path) as running:
        yield running


@asynccontextmanager
async def controllers(
    server: EmbeddedServer, *, kubelets: bool = True
) -> AsyncIterator[ApiClient]:
    """Run every controller, and a stand-in for kubelets that calls every placed pod ready."""
    async with ApiClient.from_kubeconfig(server.kubeconfig) as client:
        pods: Informer[Pod] = Informer(client, PODS)
        placed: asyncio.Queue[Pod] = asyncio.Queue()

        def note(_old: Pod | None, new: Pod | None) -> None:
            if kubelets and new is not None and new.spec.node_name:
                placed.put_nowait(new)

        pods.add_listener(note)
        services = Informer(client, SERVICES)
        host = ControllerHost(client, pods, services, cluster_cidrs=("10.244.0.0/16",))
        tasks = [
            asyncio.ensure_future(run)
            for run in (pods.run(), services.run(), host.run(), pretend(client, placed))
        ]
        try:
            yield client
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def pretend(client: ApiClient, placed: "asyncio.Queue[Pod]") -> None:
    number = 0
    while True:
        pod = await placed.get()
        meta = pod.metadata
        with suppress(KubeError):
            if meta.deletion_timestamp:
                await client.delete(
                    PODS, meta.name, namespace=meta.namespace, uid=meta.uid, grace_period_s=0
                )
            elif pod.status.phase != "Running":
                number += 1
                address = f"10.244.{number // 256}.{number % 256}"
                status = {
                    "phase": "Running",
                    "podIP": address,
                    "podIPs": [{"ip": address}],
                    "conditions": [{"type": "Ready", "status": "True"}],
                }
                await client.patch(
                    PODS,
                    meta.name,
                    {"status": status},
                    namespace=meta.namespace,
                    subresource="status",
                )


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await check():
            await asyncio.sleep(0.02)


async def post(client: ApiClient, path: str, document: Json) -> None:
    await client.request("POST", path, body=msgspec.json.encode(document))


async def add_node(client: ApiClient, name: str, *, ready: bool = True) -> None:
    await post(
        client,
        "/api/v1/nodes",
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        },
    )
    if ready:
        conditions = [{"type": "Ready", "status": "True"}]
        await client.patch(
            NODES, name, {"status": {"conditions": conditions}}, subresource="status"
        )


def workload(kind: str, image: str = "traefik/whoami", **spec: Any) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": image}]},
            },
            **spec,
        },
    }


async def ready_replicas(client: ApiClient, count: int) -> bool:
    found = await client.get(DEPLOYMENTS, "web", namespace="default")
    status = found.status
    return (
        status.get("observedGeneration") == found.metadata.generation
        and status.get("updatedReplicas", 0) == count
        and status.get("availableReplicas", 0) == count
        and status.get("replicas", 0) == count
    )


async def test_nodes_get_the_walk_throughs_cidrs(server: EmbeddedServer) -> None:
    async with controllers(server) as client:
        await add_node(client, "k8s-w1")
        await add_node(client, "k8s-ctr")

        async def done() -> bool:
            nodes = (await client.list(NODES)).items
            found = {node.metadata.name: node.spec.pod_cidr for node in nodes}
            return found == {"k8s-ctr": "10.244.0.0/24", "k8s-w1": "10.244.1.0/24"}

        await eventually(done)


async def test_deployment_grows_changes_and_shrinks(server: EmbeddedServer) -> None:
    async with controllers(server) as client:
        await add_node(client, "n1")
        await add_node(client, "n2")
        await post(
            client,
            "/apis/apps/v1/namespaces/default/deployments",
            workload("Deployment", replicas=4),
        )
        await eventually(lambda: ready_replicas(client, 4))
        placed = [pod.spec.node_name for pod in (await client.list(PODS)).items]
        assert sorted(placed) == ["n1", "n1", "n2", "n2"]

        template = {"spec": {"containers": [{"name": "c", "image": "nginx"}]}}
        await client.patch(
            DEPLOYMENTS, "web", {"spec": {"template": template}}, namespace="default"
        )
        await eventually(lambda: ready_replicas(client, 4))
        sets = (await client.list(REPLICA_SETS, namespace="default")).items
        assert sorted(each.spec.replicas for each in sets) == [0, 4]

        await client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 1}}, namespace="default")
        await eventually(lambda: ready_replicas(client, 1))
        names = {pod.metadata.name for pod in (await client.list(PODS)).items}
        assert len(names) <= 4


async def test_service_has_the_ready_pods_as_endpoints(server: EmbeddedServer) -> None:
    async with controllers(server) as client:
        await add_node(client, "n1")
        await post(
            client,
            "/api/v1/namespaces/default/services",
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "web", "labels": {"app": "web"}},
                "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
            },
        )
        await post(
            client,
            "/apis/apps/v1/namespaces/default/deployments",
            workload("Deployment", replicas=2),
        )

        async def done() -> bool:
            found = await client.list(
                ENDPOINT_SLICES, namespace="default", label_selector="app=web"
            )
            ready = [
                endpoint.addresses[0]
                for each in found.items
                for endpoint in each.endpoints
                if endpoint.is_ready
            ]
            return len(set(ready)) == 2

        await eventually(done)


def web_service(**spec: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}], **spec},
    }


def web_pod(number: int) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"web-{number}", "labels": {"app": "web"}},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "traefik/whoami"}]},
    }


async def slices_of_web(client: ApiClient) -> list[EndpointSlice]:
    selector = "kubernetes.io/service-name=web"
    found = await client.list(ENDPOINT_SLICES, namespace="default", label_selector=selector)
    return list(found.items)


async def test_a_change_of_one_pod_writes_one_slice_of_several(server: EmbeddedServer) -> None:
    async with controllers(server) as client:
        await add_node(client, "n1")
        await post(client, "/api/v1/namespaces/default/services", web_service())
        for number in range(120):
            await post(client, "/api/v1/namespaces/default/pods", web_pod(number))

        async def ready(count: int) -> bool:
            found = await slices_of_web(client)
            return sum(e.is_ready for each in found for e in each.endpoints) == count

        await eventually(lambda: ready(120))
        before = {each.metadata.name: each for each in await slices_of_web(client)}
        assert sorted(len(each.endpoints) for each in before.values()) == [20, 100]
        body = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
        await client.patch(PODS, "web-7", body, namespace="default", subresource="status")
        await eventually(lambda: ready(119))

        changed = [
            each
            for each in await slices_of_web(client)
            if before[each.metadata.name].metadata.resource_version
            != each.metadata.resource_version
        ]
        assert len(changed) == 1
        assert changed[0].metadata.generate_name == "web-"


async def test_endpoints_say_since_when_their_latest_news_are_so(server: EmbeddedServer) -> None:
    """A pod's since its condition turned; news without a time leave no older one standing."""

    async def turn(client: ApiClient, since: str, *, ready: bool) -> None:
        condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": since}
        status = {"podIP": "10.244.0.9", "podIPs": [{"ip": "10.244.0.9"}], "phase": "Running"}
        body = {"status": {**status, "conditions": [condition]}}
        await client.patch(PODS, "web-9", body, namespace="default", subresource="status")

    async with controllers(server, kubelets=False) as client:
        await add_node(client, "n1")
        await post(client, "/api/v1/namespaces/default/services", web_service())

        async def told(expected: str | None) -> bool:
            objects = (await client.list(ENDPOINTS, namespace="default")).items
            metas = [each.metadata for each in objects if each.metadata.name == "web"]
            metas += [each.metadata for each in await slices_of_web(client)]
            stamps = [meta.annotations.get(TRIGGER_TIME_ANNOTATION) for meta in metas]
            return stamps == [expected] * 2

        service = await client.get(SERVICES, "web", namespace="default")
        await eventually(lambda: told(service.metadata.creation_timestamp))
        await post(client, "/api/v1/namespaces/default/pods", web_pod(9))
        await turn(client, "2025-07-01T12:00:00Z", ready=True)
        await eventually(lambda: told("2025-07-01T12:00:00Z"))
        await turn(client, "2025-07-01T12:00:07Z", ready=False)
        await eventually(lambda: told("2025-07-01T12:00:07Z"))
        await client.delete(PODS, "web-9", namespace="default", grace_period_s=0)
        await eventually(lambda: told(None))


async def test_a_slice_that_somebody_changes_is_put_right(server: EmbeddedServer) -> None:
    async with controllers(server) as client:
        await add_node(client, "n1")
        service = web_service(trafficDistribution="PreferSameNode")
        await post(client, "/api/v1/namespaces/default/services", service)
        await post(client, "/api/v1/namespaces/default/pods", web_pod(1))

        async def right() -> bool:
            found = await slices_of_web(client)
            (only,) = found or [EndpointSlice()]
            hints = [each.hints.for_nodes for each in only.endpoints if each.hints is not None]
            return hints == [(Hint("n1"),)] and "mine" not in only.metadata.labels

        await eventually(right)
        (found,) = await slices_of_web(client)
        change = {"endpoints": [], "metadata": {"labels": {"mine": "yes"}}}
        await client.patch(ENDPOINT_SLICES, found.metadata.name, change, namespace="default")
        await eventually(right)


async def test_slices_follow_their_service_to_its_end(server: EmbeddedServer) -> None:
    async with controllers(server) as client:
        await add_node(client, "n1")
        await post(client, "/api/v1/namespaces/default/services", web_service())

        async def labelled(**labels: str) -> bool:
            found = await slices_of_web(client)
            return len(found) == 1 and labels.items() <= found[0].metadata.labels.items()

        managed_by = "endpointslice.kubernetes.io/managed-by"
        await eventually(lambda: labelled(**{managed_by: "endpointslice-controller.k8s.io"}))
        change = {"metadata": {"labels": {"tier": "front"}}}
        await client.patch(SERVICES, "web", change, namespace="default")
        await eventually(lambda: labelled(tier="front"))
        await client.delete(SERVICES, "web", namespace="default")

        async def gone() -> bool:
            return not await slices_of_web(client)

        await eventually(gone)


async def test_hand_made_endpoints_are_mirrored_into_slices(server: EmbeddedServer) -> None:
    async with controllers(server) as client:
        service = web_service(selector=None)
        await post(client, "/api/v1/namespaces/default/services", service)
        subsets = [
            {
                "addresses": [{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}],
                "notReadyAddresses": [{"ip": "192.0.2.2"}],
                "ports": [{"name": "web", "port": 8080}],
            }
        ]
        by_hand: Json = {"metadata": {"name": "web", "labels": {"by": "hand"}}, "subsets": subsets}
        await post(client, "/api/v1/namespaces/default/endpoints", by_hand)

        async def listed() -> dict[str, list[tuple[str, bool]]]:
            return {
                found.address_type: [(e.addresses[0], e.is_ready) for e in found.endpoints]
                for found in await slices_of_web(client)
                if found.metadata.labels.get("by") == "hand"
            }

        both = {
            "IPv4": [("192.0.2.1", True), ("192.0.2.2", False)],
            "IPv6": [("2001:db8::1", True)],
        }

        async def is_mirrored() -> bool:
            return await listed() == both

        await eventually(is_mirrored)
        (found, *_) = await slices_of_web(client)
        assert found.ports == (EndpointPort("web", "TCP", 8080),)
        skip = {"metadata": {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}}
        await client.patch(ENDPOINTS, "web", skip, namespace="default")

        async def gone() -> bool:
            return not await slices_of_web(client)

        await eventually(gone)


async def test_daemon_set_follows_nodes_as_they_come_and_go(server: EmbeddedServer) -> None:
    async with controllers(server) as client:
        await add_node(client, "n1")
        await post(client, "/apis/apps/v1/namespaces/default/daemonsets", workload("DaemonSet"))
        await add_node(client, "n2", ready=False)

        async def on(*nodes: str) -> bool:
            pods = (await client.list(PODS)).items
            return sorted(pod.spec.node_name for pod in pods) == sorted(nodes)

        await eventually(lambda: on("n1", "n2"))
        await client.delete(NODES, "n2")
        await eventually(lambda: on("n1"))

        async def counted() -> bool:
            found = await client.get(DAEMON_SETS, "web", namespace="default")
            return found.status.get("numberReady") == 1

        await eventually(counted)


async def test_pod_without_a_place_says_why_and_gets_one_later(server: EmbeddedServer) -> None:
    async with controllers(server) as client:
        await add_node(client, "n1", ready=False)
        await post(
            client,
            "/api/v1/namespaces/default/pods",
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "p"},
                "spec": {"containers": [{"name": "c", "image": "busybox"}]},
            },
        )

        async def condition() -> bool:
            pod = await client.get(PODS, "p", namespace="default")
            return any(
                c.type == "PodScheduled" and c.status == "False" and "not-ready" in c.message
                for c in pod.status.conditions
            )

        await eventually(condition)
        body = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        await client.patch(NODES, "n1", body, subresource="status")

        async def placed() -> bool:
            pod = await client.get(PODS, "p", namespace="default")
            return pod.spec.node_name == "n1"

        await eventually(placed)


async def test_pods_of_a_removed_node_run_elsewhere(server: EmbeddedServer) -> None:
    async with controllers(server) as client:
        await add_node(client, "n1")
        await add_node(client, "n2")
        await post(
            client,
            "/apis/apps/v1/namespaces/default/deployments",
            workload("Deployment", replicas=4),
        )
        await eventually(lambda: ready_replicas(client, 4))

        await client.delete(NODES, "n2")

        async def moved() -> bool:
            pods = (await client.list(PODS)).items
            return [pod.spec.node_name for pod in pods] == ["n1"] * 4

        await eventually(moved)


async def made_until_told(
    client: ApiClient, resource: Resource[Any], caplog: pytest.LogCaptureFixture
) -> int:
    """Delete every object of a kind until a controller tells of it; return how many it made."""
    seen: set[str] = set()

    async def told() -> bool:
        for found in (await client.list(resource, namespace="default")).items:
            seen.add(found.metadata.uid)
            with suppress(KubeError):
                await client.delete(
                    resource, found.metadata.name, namespace="default", grace_period_s=0
                )
        return "undone each time" in caplog.text

    await eventually(told)
    return len(seen)


async def test_endpoint_slice_that_somebody_deletes_again_and_again_comes_back_slowly(
    server: EmbeddedServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with controllers(server) as client:
        await post(
            client,
            "/api/v1/namespaces/default/services",
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "web"},
                "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
            },
        )
        made = await made_until_told(client, ENDPOINT_SLICES, caplog)

        assert made == FREE_WRITES
        assert "something deletes it" in caplog.text


@pytest.mark.parametrize(
    ("kind", "resource", "told"),
    [
        ("Deployment", REPLICA_SETS, "something deletes it"),
        ("Deployment", PODS, "before they are"),
    ],
)
async def test_what_somebody_deletes_before_it_is_ready_comes_back_slowly(
    server: EmbeddedServer,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    resource: Resource[Any],
    told: str,
) -> None:
    async with controllers(server, kubelets=False) as client:
        path = f"/apis/apps/v1/namespaces/default/{kind.lower()}s"
        await post(client, path, workload(kind, replicas=1))
        made = await made_until_told(client, resource, caplog)

        assert FREE_WRITES <= made <= FREE_WRITES + 1
        assert told in caplog.text


async def test_daemon_pod_that_never_gets_ready_comes_back_slowly_on_its_node_alone(
    server: EmbeddedServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with controllers(server, kubelets=False) as client:
        await add_node(client, "n1")
        await post(client, "/apis/apps/v1/namespaces/default/daemonsets", workload("DaemonSet"))
        made = await made_until_told(client, PODS, caplog)
        await add_node(client, "n2")

        async def on_n2() -> bool:
            pods = (await client.list(PODS)).items
            return [pod.spec.node_name for pod in pods] == ["n2"]

        await eventually(on_n2)

        async def counted() -> bool:
            found = await client.get(DAEMON_SETS, "web", namespace="default")
            return found.status.get("desiredNumberScheduled") == 2

        await eventually(counted)
        assert FREE_WRITES <= made <= FREE_WRITES + 1


async def test_pod_that_was_ready_is_replaced_at_once_however_often(
    server: EmbeddedServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with controllers(server) as client:
        await add_node(client, "n1")
        path = "/apis/apps/v1/namespaces/default/deployments"
        await post(client, path, workload("Deployment", replicas=1))
        for _ in range(2 * FREE_WRITES):
            await eventually(lambda: ready_replicas(client, 1))
            for pod in (await client.list(PODS)).items:
                await client.delete(PODS, pod.metadata.name, namespace="default")

            async def gone(former: str = pod.metadata.uid) -> bool:
                pods = (await client.list(PODS)).items
                return all(each.metadata.uid != former for each in pods)

            await eventually(gone)

    assert "undone each time" not in caplog.text
