"""The pods of each owner, as watched and as just created or deleted by us.

A cache lags behind our own writes. A controller that counted from the cache alone would create
its pods twice: what it wrote is entered here at once and holds until the watch shows it.

A pod that somebody deletes, or that ends, before it was ever ready is a creation undone: its
successors come with growing pauses (`reconcile/rewrites.py`), until one of them is ready. What
was ready is replaced at once, however often.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from ciliate.api.metadata import ObjectMeta, OwnerReference, parse_time
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import ConflictError, NotFoundError
from ciliate.kube.informer import Informer
from ciliate.lab.objects import POD_DRAFTS, PODS, Json, Pod, PodDraft, PodMeta, PodSpec
from ciliate.reconcile.rewrites import Rewrites

#: A creation the watch has not confirmed for so long is believed no more.
_UNCONFIRMED_S: Final = 30.0
#: Creations or deletions in flight at once.
PARALLEL_MAX: Final = 16

#: What a pod is made for: the uid of its controller, and the node where that chooses one.
_Slot = tuple[str, str]


class OwnedPods:
    """Pods by the uid of their controller."""

    def __init__(
        self,
        client: ApiClient,
        informer: Informer[Pod],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._by_owner: dict[str, dict[str, Pod]] = defaultdict(dict)
        self._unconfirmed: dict[str, float] = {}  # pod uid -> when it was created
        self._deleted: set[str] = set()  # pod uids
        self._rewrites: Rewrites[_Slot, bytes] = Rewrites(clock=clock)
        self._unready: dict[str, _Slot] = {}  # Of pods we made that never were ready, by uid.
        self._undone: dict[_Slot, str] = {}  # The latest pod that was undone since a creation.
        self._gate = asyncio.Semaphore(PARALLEL_MAX)
        informer.add_listener(self._changed)

    def _changed(self, old: Pod | None, new: Pod | None) -> None:
        pod = new or old
        assert pod is not None
        uid = pod.metadata.uid
        owner = controller_of(pod.metadata)
        self._unconfirmed.pop(uid, None)
        self._judge(pod, is_gone=new is None)
        if new is None or new.metadata.deletion_timestamp:
            self._deleted.discard(uid)
        if owner is None:
            return
        if new is None:
            self._by_owner[owner.uid].pop(uid, None)
            if not self._by_owner[owner.uid]:
                del self._by_owner[owner.uid]
        else:
            self._by_owner[owner.uid][uid] = new

    def _judge(self, pod: Pod, *, is_gone: bool) -> None:
        """Note whether a pod that we made came to be ready, or was undone before."""
        slot = self._unready.get(pod.metadata.uid)
        if slot is None:
            return
        if is_gone or not is_active(pod):
            del self._unready[pod.metadata.uid]
            self._undone[slot] = pod.metadata.name
        elif is_ready(pod):
            del self._unready[pod.metadata.uid]
            self._undone.pop(slot, None)
            self._rewrites.forget(slot)

    def of(self, owner_uid: str) -> list[Pod]:
        """Return the owner's pods that exist and are not being deleted by us."""
        pods = self._by_owner.get(owner_uid)
        if not pods:
            return []
        now = asyncio.get_running_loop().time()
        for uid in [uid for uid in pods if now - self._unconfirmed.get(uid, now) > _UNCONFIRMED_S]:
            del pods[uid]
            del self._unconfirmed[uid]
        return [pod for uid, pod in pods.items() if uid not in self._deleted]

    async def create(self, draft: PodDraft) -> None:
        """Create a pod and count it from now on.

        Raises:
            KubeError: It was not created, or the answer was lost.
            UndoneError: Those before it were gone, or had ended, before they were ready.
        """
        slot = controller_uid(draft.metadata), str(draft.spec.get("nodeName", ""))
        self._wait_for_turn(slot, msgspec.json.encode(draft.spec))
        async with self._gate:
            made = await self._client.create(POD_DRAFTS, draft)
        self._unready[made.metadata.uid] = slot
        owner = controller_of(made.metadata)
        if owner is None or made.metadata.uid in self._by_owner[owner.uid]:
            return  # The watch was quicker than the answer.
        self._by_owner[owner.uid][made.metadata.uid] = Pod(
            metadata=msgspec.convert(msgspec.to_builtins(made.metadata), PodMeta),
            spec=msgspec.convert(made.spec, PodSpec),
        )
        self._unconfirmed[made.metadata.uid] = asyncio.get_running_loop().time()

    def _wait_for_turn(self, slot: _Slot, spec: bytes) -> None:
        latest = self._undone.pop(slot, "")
        if latest:
            self._rewrites.note({slot: spec}, lacked=True)
        writes: dict[_Slot, bytes | None] = {slot: spec}
        who = f"the pods are deleted, or end, before they are ready, the latest was {latest}"
        undone = self._rewrites.take_lacking(writes, {slot: who})
        if slot not in writes:
            raise undone[slot]

    async def delete(self, pod: Pod) -> None:
        """Delete a pod and do not count it from now on; one that is gone is a success.

        Raises:
            KubeError: It was not deleted, or the answer was lost.
        """
        meta = pod.metadata
        self._unready.pop(meta.uid, None)  # Our own doing undoes nothing.
        try:
            async with self._gate:
                await self._client.delete(PODS, meta.name, namespace=meta.namespace, uid=meta.uid)
        except (NotFoundError, ConflictError):
            return  # Gone, or another of that name: the watch shows it.
        if meta.uid in self._by_owner.get(controller_uid(meta), {}):
            self._deleted.add(meta.uid)


def controller_of(meta: ObjectMeta) -> OwnerReference | None:
    """Return the owner that manages an object, if one does."""
    return next((owner for owner in meta.owner_references if owner.controller), None)


def controller_uid(meta: ObjectMeta) -> str:
    """Return the uid of the managing owner, or nothing."""
    owner = controller_of(meta)
    return owner.uid if owner is not None else ""


def is_ready(pod: Pod) -> bool:
    """Whether the pod's kubelet says that it is ready."""
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)


def is_active(pod: Pod) -> bool:
    """Whether the pod runs or will: not finished, not being deleted."""
    finished = pod.status.phase in ("Succeeded", "Failed")
    return not finished and not pod.metadata.deletion_timestamp


def available_in_s(pod: Pod, *, min_ready_s: int, now: float) -> float | None:
    """Return 0 when the pod is available, else in how many seconds it may be; None: unready."""
    if not is_ready(pod):
        return None
    if min_ready_s <= 0:
        return 0.0
    ready = next(c for c in pod.status.conditions if c.type == "Ready")
    if ready.last_transition_time is None:
        return 0.0
    return max(parse_time(ready.last_transition_time).timestamp() + min_ready_s - now, 0.0)


def draft_of(
    template: Mapping[str, Any],
    *,
    name: str,
    namespace: str,
    owner: OwnerReference,
    labels: Mapping[str, str],
) -> PodDraft:
    """Return a pod made from a workload's template."""
    meta: Json = template.get("metadata") or {}
    return PodDraft(
        metadata=ObjectMeta(
            name=name,
            namespace=namespace,
            generate_name=f"{owner.name}-",
            labels={**(meta.get("labels") or {}), **labels},
            annotations=dict(meta.get("annotations") or {}),
            owner_references=(owner,),
        ),
        spec=dict(template.get("spec") or {}),
    )
