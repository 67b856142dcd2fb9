"""The history of a DaemonSet: a ControllerRevision for each template it has had.

`kubectl rollout history` shows them with the annotations the DaemonSet had then, `kubectl rollout
undo` sends what one holds as a patch. Source: kubernetes `pkg/controller/daemon/update.go`.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ciliate.api.metadata import ObjectMeta, OwnerReference
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import AlreadyExistsError, NotFoundError
from ciliate.kube.informer import Informer
from ciliate.lab.controllers.names import hash_of
from ciliate.lab.controllers.pods import controller_uid
from ciliate.lab.objects import CONTROLLER_REVISIONS, ControllerRevision, DaemonSet, Json, Pod

HASH_LABEL: Final = "controller-revision-hash"


@dataclass(frozen=True, slots=True)
class HistoryChange:
    """What a history lacks: an entry, a number of one, or room."""

    make: ControllerRevision | None = None
    #: The present template's entry, after others are newer: a rollback made it the latest.
    renumber: ControllerRevision | None = None
    delete: tuple[ControllerRevision, ...] = ()


def decide(
    daemon_set: DaemonSet, revisions: Iterable[ControllerRevision], pods: Iterable[Pod]
) -> HistoryChange:
    """Return what to do; entries of templates that pods still have are kept beyond the limit."""
    current = hash_of(daemon_set.spec.template)
    history = sorted(revisions, key=lambda each: each.revision)
    latest = history[-1].revision if history else 0
    now = [each for each in history if each.metadata.labels.get(HASH_LABEL) == current]
    used = {pod.metadata.labels.get(HASH_LABEL) for pod in pods}
    old = [
        each for each in history if each.metadata.labels.get(HASH_LABEL) not in {current, *used}
    ]
    surplus = max(len(old) - daemon_set.spec.revision_history_limit, 0)
    if not now:
        made = _entry(daemon_set, latest + 1)
        return HistoryChange(make=made, delete=tuple(old[:surplus]))
    renumber = None
    if now[-1].revision < latest:
        renumber = ControllerRevision(metadata=now[-1].metadata, revision=latest + 1)
    return HistoryChange(renumber=renumber, delete=tuple(old[:surplus]))


def _entry(daemon_set: DaemonSet, revision: int) -> ControllerRevision:
    meta, template = daemon_set.metadata, daemon_set.spec.template
    short = hash_of(template)
    owner = OwnerReference(
        api_version="apps/v1",
        kind="DaemonSet",
        name=meta.name,
        uid=meta.uid,
        controller=True,
        block_owner_deletion=True,
    )
    labels: dict[str, str] = (template.get("metadata") or {}).get("labels") or {}
    # A patch that leads back to it: kubectl sends it as it is.
    data: Json = {"spec": {"template": {**template, "$patch": "replace"}}}
    return ControllerRevision(
        metadata=ObjectMeta(
            name=f"{meta.name}-{short}",
            namespace=meta.namespace,
            labels={**labels, HASH_LABEL: short},
            annotations=meta.annotations,
            owner_references=(owner,),
        ),
        revision=revision,
        data=data,
    )


class RevisionHistory:
    """The histories of all DaemonSets."""

    def __init__(self, client: ApiClient, revisions: Informer[ControllerRevision]) -> None:
        self._client = client
        self._revisions = revisions
        self._of: defaultdict[str, dict[str, ControllerRevision]] = defaultdict(dict)
        revisions.add_listener(self._changed)

    def _changed(self, old: ControllerRevision | None, new: ControllerRevision | None) -> None:
        for each in filter(None, (old, new)):
            owner, name = controller_uid(each.metadata), each.metadata.name
            if each is new:
                self._of[owner][name] = each
            elif name in self._of[owner]:
                del self._of[owner][name]
            if not self._of[owner]:
                del self._of[owner]

    async def synced(self) -> None:
        """Return when all entries are known."""
        await self._revisions.synced()

    async def keep(self, daemon_set: DaemonSet, pods: Sequence[Pod]) -> None:
        """Bring a DaemonSet's history to what it is now.

        Raises:
            KubeError: The API server refuses, or is away.
        """
        uid = daemon_set.metadata.uid
        change = decide(daemon_set, self._of.get(uid, {}).values(), pods)
        wanted: list[Any] = [self._delete(each) for each in change.delete]
        if change.make is not None:
            wanted.append(self._make(change.make))
        if change.renumber is not None:
            wanted.append(self._renumber(change.renumber))
        await asyncio.gather(*wanted)

    async def _make(self, entry: ControllerRevision) -> None:
        try:
            await self._client.create(CONTROLLER_REVISIONS, entry)
        except AlreadyExistsError:
            return  # Ours, and about to be known.

    async def _renumber(self, entry: ControllerRevision) -> None:
        meta = entry.metadata
        await self._client.patch(
            CONTROLLER_REVISIONS,
            meta.name,
            {"revision": entry.revision},
            namespace=meta.namespace,
        )

    async def _delete(self, entry: ControllerRevision) -> None:
        meta = entry.metadata
        try:
            await self._client.delete(
                CONTROLLER_REVISIONS, meta.name, namespace=meta.namespace, uid=meta.uid
            )
        except NotFoundError:
            return
