"""EndpointSlices of real pods: gates, termination, addresses; as a proxy would read them."""

import json
from typing import Any

from tests.lab.cluster import Cluster, eventually

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: gated}
spec: {selector: {app: gated}, ports: [{port: 80, targetPort: web}]}
---
apiVersion: v1
kind: Pod
metadata: {name: gated, labels: {app: gated}}
spec:
  readinessGates: [{conditionType: example.org/served}]
  containers:
  - name: whoami
    image: traefik/whoami
    ports: [{name: web, containerPort: 80}]
"""
GATE = {"type": "example.org/served", "status": "True"}


def endpoints(cluster: Cluster) -> list[dict[str, Any]]:
    """The endpoints of Service gated."""
    found = cluster.object("endpointslices", "-l", "kubernetes.io/service-name=gated")
    return [each for item in found["items"] for each in item["endpoints"] or ()]


def test_an_endpoint_is_ready_behind_its_gate_and_serves_until_its_pod_ends(
    cluster: Cluster,
) -> None:
    def is_so(**conditions: bool) -> bool:
        return [each["conditions"] for each in endpoints(cluster)] == [conditions]

    cluster.kubectl("apply", "-f", "-", text=SERVICE)
    try:
        cluster.kubectl("wait", "--for=condition=ContainersReady", "pod/gated", "--timeout=30s")
        eventually(lambda: is_so(ready=False, serving=False, terminating=False), what="gated")

        patch = json.dumps({"status": {"conditions": [GATE]}})
        cluster.kubectl("patch", "pod", "gated", "--subresource=status", "-p", patch)

        eventually(lambda: is_so(ready=True, serving=True, terminating=False), what="ready")
        (endpoint,) = endpoints(cluster)
        status = cluster.object("pod", "gated")["status"]
        assert endpoint["addresses"] == [status["podIP"]]
        assert GATE["type"] in [each["type"] for each in status["conditions"]]
        cluster.kubectl("delete", "pod", "gated", "--wait=false")
        eventually(lambda: is_so(ready=False, serving=True, terminating=True), what="its end")
        said = cluster.exec("k8s-ctr", "curl", "-si", f"http://{status['podIP']}/")
        assert "Hostname: gated" in said, "it answers while it terminates"
        assert "Connection: close" in said, "and sends its clients away"
        eventually(lambda: not endpoints(cluster), what="no endpoint")
    finally:
        cluster.kubectl("delete", "pod,service", "gated", "--wait=false", check=False)
