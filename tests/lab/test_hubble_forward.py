"""Forwarding to a Service of a cluster: our own, which `hubble -P` and `cilium hubble` use."""

import asyncio
import re
import urllib.request
from collections.abc import Iterator
from typing import Final

import pytest
from tests.deadlines import stretch
from tests.lab.cluster import Cluster

from ciliate.kube.client import ApiClient
from ciliate.kube.port_forward import forwarded

NAMESPACE: Final = "forward"
DEADLINE_S: Final = 30.0

APPLICATION = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: {NAMESPACE}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: c
        image: traefik/whoami
        ports: [{{name: http, containerPort: 80}}]
        readinessProbe: {{tcpSocket: {{port: http}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: {NAMESPACE}}}
spec: {{selector: {{app: web}}, ports: [{{port: 8000, targetPort: http}}]}}
"""


@pytest.fixture
def web(cluster: Cluster) -> Iterator[Cluster]:
    cluster.kubectl("create", "namespace", NAMESPACE)
    cluster.kubectl("apply", "-f", "-", text=APPLICATION)
    cluster.kubectl("rollout", "status", "-n", NAMESPACE, "deployment/web", "--timeout=30s")
    yield cluster
    cluster.kubectl("delete", "namespace", NAMESPACE)


def answering(port: int) -> str:
    """The pod that answers behind a local port."""
    url = f"http://127.0.0.1:{port}/"
    with urllib.request.urlopen(url, timeout=DEADLINE_S * stretch()) as answer:
        found = re.search(r"Hostname: (\S+)", answer.read().decode())
    assert found is not None
    return found[1]


async def test_whoever_connects_reaches_a_pod_that_lives(web: Cluster) -> None:
    told: list[str] = []

    async with (
        ApiClient.from_kubeconfig(web.folder / "kubeconfig") as client,
        forwarded(client, (NAMESPACE, "web"), tell=told.append) as port,
    ):
        at_once = [asyncio.to_thread(answering, port) for _ in range(20)]
        (first,) = set(await asyncio.gather(*at_once))
        words = ("delete", "pod", "-n", NAMESPACE, first, "--wait=false")
        await asyncio.to_thread(web.kubectl, *words)
        second = await asyncio.to_thread(answering, port)

    assert second != first
    assert told == []
