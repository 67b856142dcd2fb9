"""The pod `far`, on the worker, with a Service of its own: what the control plane must tunnel to."""

from typing import Final

from tests.lab.walkthrough.place import WORKER, Place

FAR: Final = "far"
NODE_PORT: Final = 30090

_MANIFEST: Final = f"""
apiVersion: v1
kind: Pod
metadata: {{name: {FAR}, labels: {{app: {FAR}}}}}
spec:
  nodeName: {WORKER}
  terminationGracePeriodSeconds: 0
  containers: [{{name: web, image: traefik/whoami}}]
---
apiVersion: v1
kind: Service
metadata: {{name: {FAR}}}
spec:
  type: NodePort
  ipFamilyPolicy: RequireDualStack
  selector: {{app: {FAR}}}
  ports: [{{port: 80, nodePort: {NODE_PORT}}}]
"""


def apply_far(place: Place) -> None:
    """Apply pod and Service; returns when the pod is ready."""
    place.lab.kubectl("apply", "-f", "-", text=_MANIFEST)
    place.lab.kubectl("wait", f"pod/{FAR}", "--for=condition=Ready", "--timeout=20s")


def far_ips(place: Place) -> tuple[str, str]:
    """The pod's addresses, IPv4 and IPv6."""
    first, second = (each["ip"] for each in place.pods[FAR]["status"]["podIPs"])
    return first, second


def service_ips(place: Place) -> tuple[str, str]:
    """The Service's addresses, IPv4 and IPv6."""
    first, second = place.lab.object("service", FAR)["spec"]["clusterIPs"]
    return first, second
