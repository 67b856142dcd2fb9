"""One pod from its binding to its removal: a loop that takes one step toward what is wanted.

    sandbox and CNI ADD -> containers -> status            again whenever something changes
    SIGTERM, grace, SIGKILL -> CNI DEL -> API delete       when the pod is deleted or gone

Every step is repeatable, and what it may leave behind is on disk before it (`pod_state`): a
kubelet killed anywhere goes on from the record.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Final

from ciliate.api.core import ObjectReference
from ciliate.api.metadata import format_time
from ciliate.kube.errors import ConflictError, InvalidError, KubeError, NotFoundError
from ciliate.kube.events import Severity
from ciliate.kube.options import PatchKind
from ciliate.lab.cgroup import CgroupBusyError
from ciliate.lab.errors import KernelCallError
from ciliate.lab.kubelet.configuration import Reference, references_of
from ciliate.lab.kubelet.errors import NetworkNotReadyError, PluginFailedError, VolumeError
from ciliate.lab.kubelet.node import KubeletNode
from ciliate.lab.kubelet.pod_containers import PodContainers
from ciliate.lab.kubelet.pod_network import SandboxNetwork
from ciliate.lab.kubelet.pod_state import PodRecord
from ciliate.lab.kubelet.pod_status import (
    Observation,
    compute_status,
    patch_of,
    phase_of,
    pod_ips,
)
from ciliate.lab.kubelet.volumes import volume_references
from ciliate.lab.objects import PODS, Json, Pod
from ciliate.reconcile.backoff import Backoff

_FINAL_PHASES: Final = ("Succeeded", "Failed")
#: An ADD that takes longer is worth reporting to the API server: that the pod is being created.
_SLOW_S: Final = 0.5
#: How soon a plugin that says "try again later" (CNI error 11) is asked again.
_TRY_AGAIN_S: Final = 0.5
#: Without a CNI configuration: its appearance wakes the worker, this is for what was missed.
_NO_NETWORK_S: Final = 5.0
#: How long the last report of a pod that ends may take, in seconds.
_LAST_REPORT_S: Final = 1.0

_log = logging.getLogger(__name__)


class PodWorker:
    """Drives one pod; one task executes `run`."""

    def __init__(self, node: KubeletNode, record: PodRecord, pod: Pod | None) -> None:
        self._node = node
        self.record = record
        self._pod = pod
        self._changed = asyncio.Event()
        self._network = SandboxNetwork(node)
        self.containers = PodContainers(
            node, record, wake=self._changed.set, record_event=self._record_event
        )
        self._network_backoff = Backoff(first_s=1.0, limit_s=30.0)
        self._network_due = 0.0
        self._report_backoff = Backoff()
        self._reported: Json = {}
        self._has_stale_volumes = True  # A kubelet that was away may have missed a change.

    def update(self, pod: Pod | None) -> None:
        """The pod as the API server has it now; None: it is gone there."""
        if pod is not None and self._pod is not None and _labels(pod) != _labels(self._pod):
            self._has_stale_volumes = True
        self._pod = pod
        self._changed.set()

    def network_changed(self) -> None:
        """The node's CNI configuration changed: a waiting pod tries at once."""
        self._network_due = 0.0
        self._changed.set()

    def configuration_changed(self, changed: Reference) -> None:
        """A ConfigMap or Secret of the pod's namespace changed."""
        if self._pod is None:
            return
        if changed in volume_references(self._pod):
            self._has_stale_volumes = True
        elif changed not in references_of(self._pod):
            return
        self.containers.configuration_changed()
        self._network_due = 0.0
        self._changed.set()

    @property
    def ips(self) -> tuple[str, ...]:
        """The pod's addresses."""
        return pod_ips(self._observation())

    async def run(self) -> None:
        """Drive the pod until nothing of it is left."""
        if self._pod is not None:
            self._reported = _reported_before(self._pod)
        self.containers.adopt(self._pod, self.ips)
        while True:
            self._changed.clear()
            pod = self._pod
            if pod is None or pod.metadata.deletion_timestamp:
                await self._terminate()
                return
            pauses = [await self._advance(pod), await self._report(pod)]
            await self._wait(min((pause for pause in pauses if pause is not None), default=None))

    async def _wait(self, pause_s: float | None) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _advance(self, pod: Pod) -> float | None:
        """Take the next step; return in how many seconds to come again without a change."""
        record = self.record
        if phase_of(pod, record) in _FINAL_PHASES:
            record.phase = phase_of(pod, record)
            return await self._detach_final()
        if record.sandbox is None or record.sandbox.result is None:
            pause_s = await self._attach(pod)
            if pause_s is not None:
                return pause_s
        if self._has_stale_volumes or self._network.tokens.due_in_s() == 0:
            await self._refresh_volumes(pod)
        pauses = [await self.containers.advance(pod, self.ips), self._network.tokens.due_in_s()]
        if phase_of(pod, record) in _FINAL_PHASES:
            return 0.0
        return min((pause for pause in pauses if pause is not None), default=None)

    async def _attach(self, pod: Pod) -> float | None:
        """Bring the pod onto the network; None when it is, else when to try again."""
        now = asyncio.get_running_loop().time()
        if now < self._network_due:
            return self._network_due - now
        try:
            await self._attach_and_report(pod)
        except NetworkNotReadyError as error:
            self._record_event(warning=True, reason="NetworkNotReady", message=str(error))
            return self._try_later(_NO_NETWORK_S)
        except (PluginFailedError, KernelCallError) as error:
            self._record_event(
                warning=True,
                reason="FailedCreatePodSandBox",
                message="Failed to create pod sandbox: rpc error: code = Unknown desc = failed to "
                f"setup network for sandbox: {error}",
            )
            later = isinstance(error, PluginFailedError) and error.try_again_later
            return self._try_later(_TRY_AGAIN_S if later else self._network_backoff.next())
        except (KubeError, VolumeError) as error:
            self._record_event(warning=True, reason="FailedMount", message=str(error))
            return self._try_later(self._network_backoff.next())
        self._has_stale_volumes = False
        self._network_backoff.reset()
        return None

    async def _refresh_volumes(self, pod: Pod) -> None:
        self._has_stale_volumes = False
        try:
            await self._network.refresh_volumes(pod, self.record)
        except (VolumeError, KubeError, OSError) as error:
            # As it was: a container that runs keeps its files.
            self._network.tokens.postpone()
            self._record_event(warning=True, reason="FailedMount", message=str(error))

    def _try_later(self, pause_s: float) -> float:
        self._network_due = asyncio.get_running_loop().time() + pause_s
        return pause_s

    async def _attach_and_report(self, pod: Pod) -> None:
        """Attach; meanwhile, if it takes long, report that the pod is being created."""
        attaching = asyncio.ensure_future(self._network.attach(pod, self.record))
        try:
            done, _ = await asyncio.wait({attaching}, timeout=_SLOW_S)
            if not done:
                await self._report(pod)
        finally:
            problems = await attaching
        for problem in problems:
            self._record_event(warning=True, reason="DNSConfigForming", message=problem)

    async def _detach_final(self) -> float | None:
        """A pod that has finished keeps its object, but no address."""
        try:
            await self._network.detach(self.record)
        except (PluginFailedError, KernelCallError) as error:
            _log.warning("pod %s: %s; trying again", self.record.folder_name, error)
            return self._network_backoff.next()
        self._node.store.save(self.record)
        return None

    def _observation(self) -> Observation:
        return Observation(
            record=self.record,
            host_ips=self._node.ips(),
            now=format_time(datetime.now(UTC)),
            waiting=self.containers.waiting,
            previous=self._reported,
        )

    async def _report(self, pod: Pod) -> float | None:
        """Send the status if it changed; return when to try again after a failure."""
        status = compute_status(pod, self._observation())
        if status == self._reported:
            return None
        meta = pod.metadata
        try:
            await self._node.client.patch(
                PODS,
                meta.name,
                {"metadata": {"uid": meta.uid}, "status": patch_of(status)},
                namespace=meta.namespace,
                kind=PatchKind.STRATEGIC,
                subresource="status",
            )
        except (NotFoundError, ConflictError):
            return None  # Gone, or another pod by now: the watch shows it.
        except InvalidError as error:
            _log.warning("status of pod %s: %s", self.record.folder_name, error)
            return None
        except KubeError as error:
            _log.info("status of pod %s: %s; trying again", self.record.folder_name, error)
            return self._report_backoff.next()
        self._report_backoff.reset()
        self._reported = status
        return None

    async def _terminate(self) -> None:
        """End the pod and remove all of it, the object in the API server last."""
        await self.containers.stop(
            self._pod, self.ips, grace_s=self._grace_s, changed=self._changed
        )
        await self._report_last()
        backoff = Backoff(first_s=1.0, limit_s=30.0)
        while True:
            try:
                await self._node.blocking(
                    partial(self._node.lab.remove, self._node.pod_cgroup(self.record))
                )
                await self._network.detach(self.record)
                break
            except (PluginFailedError, KernelCallError, CgroupBusyError, OSError) as error:
                self._record_event(
                    warning=True,
                    reason="FailedKillPod",
                    message=f"error killing pod: failed to remove its sandbox: {error}",
                )
                await asyncio.sleep(backoff.next())
        await self._node.blocking(partial(self._node.remove_files_of, self.record))
        await self._delete_object()
        self._node.store.remove(self.record)

    async def _report_last(self) -> None:
        """Say that nothing serves any more: who uses terminating pods goes on to others."""
        if self._pod is None:
            return
        with suppress(TimeoutError):  # Its end does not wait for an API server that is away.
            async with asyncio.timeout(_LAST_REPORT_S):
                await self._report(self._pod)

    def _grace_s(self) -> float:
        if self._pod is None:
            return 0.0
        requested = self._pod.metadata.deletion_grace_period_seconds
        return float(
            self._pod.spec.termination_grace_period_seconds if requested is None else requested
        )

    async def _delete_object(self) -> None:
        backoff = Backoff()
        while self._pod is not None:
            try:
                await self._node.client.delete(
                    PODS,
                    self.record.name,
                    namespace=self.record.namespace,
                    uid=self.record.uid,
                    grace_period_s=0,
                )
            except (NotFoundError, ConflictError):
                return
            except KubeError as error:
                _log.info("delete of pod %s: %s", self.record.folder_name, error)
                await asyncio.sleep(backoff.next())
            else:
                return

    def _record_event(self, *, warning: bool, reason: str, message: str) -> None:
        """Record an event about the pod."""
        self._node.events.record(
            ObjectReference(
                api_version="v1",
                kind="Pod",
                name=self.record.name,
                namespace=self.record.namespace,
                uid=self.record.uid,
            ),
            severity=Severity.WARNING if warning else Severity.NORMAL,
            reason=reason,
            message=message,
        )


def _labels(pod: Pod) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What the downward API shows in files and may change."""
    return pod.metadata.labels, pod.metadata.annotations


def _reported_before(pod: Pod) -> Json:
    """What an earlier kubelet reported, as far as times of conditions need it."""
    return {
        "conditions": [
            {
                "type": condition.type,
                "status": condition.status,
                "lastTransitionTime": condition.last_transition_time,
            }
            for condition in pod.status.conditions
        ]
    }
