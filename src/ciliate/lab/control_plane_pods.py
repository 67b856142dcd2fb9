"""The control plane's parts as pods of k8s-ctr, with the flags they really run with.

Whoever looks for `--cluster-cidr` in a cluster looks at these pods. They are mirrors of what the lab
runs outside of any pod, as a kubelet's are of its static pods (annotation
`kubernetes.io/config.mirror`): deleting one stops nothing, and it comes back.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from ciliate import __version__
from ciliate.api.core import MIRROR_ANNOTATION
from ciliate.api.metadata import format_time
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import AlreadyExistsError, KubeError, NotFoundError
from ciliate.kube.informer import Informer
from ciliate.lab.control_plane_flags import apiserver_flags, controller_flags
from ciliate.lab.manifests import NAMESPACE
from ciliate.lab.objects import PODS, Pod
from ciliate.lab.state import LabState
from ciliate.reconcile.backoff import Backoff

_IMAGE: Final = f"ciliate:v{__version__}"
_PATH: Final = f"/api/v1/namespaces/{NAMESPACE}/pods"


class ControlPlanePods:
    """Keeps the control plane's pods in the API; one task executes `run`."""

    def __init__(self, client: ApiClient, pods: Informer[Pod], state: LabState) -> None:
        self._client = client
        self._pods = pods
        self._node = state.nodes[0]
        self._started_at = format_time(datetime.now(UTC))
        self._commands: Mapping[str, Sequence[str]] = {
            "kube-apiserver": [
                "ciliate",
                "apiserver",
                *apiserver_flags(dual_stack=state.dual_stack),
            ],
            "kube-controller-manager": [
                *("ciliate", "lab", "kube"),
                *controller_flags(dual_stack=state.dual_stack),
            ],
            "kube-scheduler": ["ciliate", "lab", "kube"],
        }
        self._changed = asyncio.Event()
        pods.add_listener(self._pod_changed)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        pod = new or old
        if pod is not None and MIRROR_ANNOTATION in pod.metadata.annotations:
            self._changed.set()

    async def run(self) -> None:
        """Make them, and make them anew when somebody deletes or changes them, until cancelled."""
        await self._pods.synced()
        backoff = Backoff()
        while True:
            self._changed.clear()
            try:
                for component, command in self._commands.items():
                    await self._keep(component, command)
            except KubeError:
                await asyncio.sleep(backoff.next())
                continue
            backoff.reset()
            await self._changed.wait()

    async def _keep(self, component: str, command: Sequence[str]) -> None:
        name = f"{component}-{self._node.name}"
        found = self._pods.get(name, NAMESPACE)
        if found is not None and found.metadata.deletion_timestamp:
            with_no_grace = {"gracePeriodSeconds": 0, "kind": "DeleteOptions", "apiVersion": "v1"}
            with contextlib.suppress(NotFoundError):
                body = msgspec.json.encode(with_no_grace)
                await self._client.request("DELETE", f"{_PATH}/{name}", body=body)
            return  # Its end is announced, and it is made anew.
        if found is None:
            with contextlib.suppress(AlreadyExistsError):
                body = msgspec.json.encode(self._pod(name, component, command))
                await self._client.request("POST", _PATH, body=body)
        if found is None or found.status.phase != "Running":
            status = self._status(component)
            await self._client.patch(
                PODS, name, {"status": status}, namespace=NAMESPACE, subresource="status"
            )

    def _pod(self, name: str, component: str, command: Sequence[str]) -> dict[str, Any]:
        mark = hashlib.sha256(" ".join(command).encode()).hexdigest()[:32]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "labels": {"component": component, "tier": "control-plane"},
                "annotations": {
                    MIRROR_ANNOTATION: mark,
                    "kubernetes.io/config.hash": mark,
                    "kubernetes.io/config.source": "file",
                },
            },
            "spec": {
                "nodeName": self._node.name,
                "hostNetwork": True,
                "priorityClassName": "system-node-critical",
                "tolerations": [{"operator": "Exists", "effect": "NoExecute"}],
                "containers": [{"name": component, "image": _IMAGE, "command": list(command)}],
            },
        }

    def _status(self, component: str) -> dict[str, Any]:
        ips = [{"ip": ip} for ip in self._node.node_ips]
        conditions = (
            "PodReadyToStartContainers",
            "Initialized",
            "Ready",
            "ContainersReady",
            "PodScheduled",
        )
        return {
            "phase": "Running",
            "hostIP": self._node.node_ips[0],
            "hostIPs": ips,
            "podIP": self._node.node_ips[0],
            "podIPs": ips,
            "startTime": self._started_at,
            "conditions": [
                {"type": kind, "status": "True", "lastTransitionTime": self._started_at}
                for kind in conditions
            ],
            "containerStatuses": [
                {
                    "name": component,
                    "image": _IMAGE,
                    "imageID": _IMAGE,
                    "ready": True,
                    "started": True,
                    "restartCount": 0,
                    "state": {"running": {"startedAt": self._started_at}},
                }
            ],
        }
