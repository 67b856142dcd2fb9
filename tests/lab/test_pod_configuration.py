"""What pods are told by their manifests: variables, ConfigMaps, Secrets, facts of themselves."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.lab.cluster import Cluster, eventually

NAMESPACE = "configured"

OBJECTS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: conf}
data: {A: "1", B: two words}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {P: hidden}
"""

VARIABLES = """
apiVersion: v1
kind: Pod
metadata: {name: variables, labels: {app: e}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: nicolaka/netshoot
    command: ["sh", "-c", "echo '$(ONE) $$(ONE) $(NOPE)'; sleep infinity"]
    envFrom:
    - configMapRef: {name: conf}
    - {prefix: S_, secretRef: {name: keys}}
    env:
    - {name: ONE, value: "1"}
    - {name: TWO, value: "$(ONE)2"}
    - {name: SKEY, valueFrom: {secretKeyRef: {name: keys, key: P}}}
    - {name: OPT, valueFrom: {secretKeyRef: {name: nope, key: P, optional: true}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: HOST, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
    - {name: CPU, valueFrom: {resourceFieldRef: {resource: requests.cpu, divisor: 1m}}}
    - {name: MEM, valueFrom: {resourceFieldRef: {resource: limits.memory}}}
    resources: {requests: {cpu: 100m}, limits: {memory: 64Mi}}
"""

LATE = """
apiVersion: v1
kind: Pod
metadata: {name: late}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: nicolaka/netshoot
    command: [sleep, infinity]
    envFrom: [{configMapRef: {name: later}}]
"""


class Shop:
    """A namespace of a test's own."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def kubectl(self, *words: str, text: str | None = None) -> str:
        """What kubectl prints, in the namespace."""
        return self.cluster.kubectl("-n", NAMESPACE, *words, text=text)

    def apply(self, manifest: str) -> None:
        """Create or change what a manifest says."""
        self.kubectl("apply", "-f", "-", text=manifest)

    def waiting(self, pod: str) -> Any:
        """What the pod's first container waits for, or nothing."""
        status = self.cluster.object("-n", NAMESPACE, "pod", pod)["status"]
        return status.get("containerStatuses", [{}])[0].get("state", {}).get("waiting")

    def until_ready(self, pod: str) -> None:
        """Wait for the pod."""
        self.kubectl("wait", "--for=condition=Ready", f"pod/{pod}", "--timeout=20s")


@pytest.fixture(scope="module")
def shop(cluster: Cluster) -> Iterator[Shop]:
    cluster.kubectl("create", "namespace", NAMESPACE)
    found = Shop(cluster)
    try:
        found.apply(OBJECTS)
        yield found
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false", check=False)


def test_container_has_the_variables_its_manifest_declares(shop: Shop) -> None:
    shop.apply(VARIABLES)

    shop.until_ready("variables")

    lines = shop.kubectl("exec", "variables", "--", "env").splitlines()
    found = dict(line.split("=", 1) for line in lines)
    pod = shop.cluster.object("-n", NAMESPACE, "pod", "variables")
    assert shop.kubectl("logs", "variables") == "1 $(ONE) $(NOPE)\n"
    wanted = {
        "A": "1",
        "B": "two words",
        "S_P": "hidden",
        "TWO": "12",
        "SKEY": "hidden",
        "NODE": pod["spec"]["nodeName"],
        "HOST": pod["status"]["hostIP"],
        "CPU": "100",
        "MEM": "67108864",
    }
    assert {name: found.get(name) for name in wanted} == wanted
    assert "OPT" not in found


def test_pod_waits_for_a_config_map_by_its_name_and_starts_when_it_comes(shop: Shop) -> None:
    shop.apply(LATE)
    message = 'configmap "later" not found'
    wanted = {"reason": "CreateContainerConfigError", "message": message}
    eventually(lambda: shop.waiting("late") == wanted, what="the reason")
    assert f"Error: {message}" in shop.kubectl("describe", "pod", "late")

    shop.kubectl("create", "configmap", "later", "--from-literal=LATE=1")

    shop.kubectl("wait", "--for=condition=Ready", "pod/late", "--timeout=5s")
    assert "LATE=1\n" in shop.kubectl("exec", "late", "--", "env")
