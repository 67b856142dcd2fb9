"""Numbers of label sets, agreed cluster-wide through CiliumIdentity objects."""

import re
from collections.abc import Mapping
from typing import Final

from ciliate.api.cilium_identity import CILIUM_IDENTITIES, CiliumIdentity, label_texts
from ciliate.api.metadata import ObjectMeta
from ciliate.identity.errors import IdentityExhaustedError
from ciliate.identity.numbers import (
    CANDIDATES_MAX,
    IDENTITY_MAX,
    IDENTITY_MIN,
    candidates,
)
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import AlreadyExistsError, NotFoundError
from ciliate.kube.informer import Informer

#: The operator marks unused identities with this, and deletes them some time later.
_UNUSED_MARK: Final = "io.cilium.heartbeat"

#: Name and value of an object's label (Kubernetes, "Labels and Selectors", syntax).
_LABEL_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_LABEL_PREFIX_MAX: Final = 253


class IdentityRegistry:
    """Finds the number of a label set, and takes a new one where there is none.

    With a PacedClient its writes raise UndoneError, too.
    """

    def __init__(self, client: ApiClient, informer: Informer[CiliumIdentity]) -> None:
        self._client = client
        self._informer = informer
        self._by_labels: dict[tuple[str, ...], set[int]] = {}
        informer.add_listener(self._record)

    def find(self, labels: Mapping[str, str]) -> int | None:
        """Return the number the cluster uses for `labels`, or None; the lowest if it has two."""
        numbers = self._by_labels.get(label_texts(labels))
        return min(numbers) if numbers else None

    async def claim(self, number: int) -> None:
        """Remove the operator's mark from `number`, if it was taken for unused.

        Raises:
            NotFoundError: The operator was faster; allocate anew.
            KubeError: The API server did not take it; try again.
        """
        known = self._informer.get(str(number))
        if known is not None and _UNUSED_MARK in known.metadata.annotations:
            unmark = {"metadata": {"annotations": {_UNUSED_MARK: None}}}
            await self._client.patch(CILIUM_IDENTITIES, str(number), unmark)

    async def allocate(self, labels: Mapping[str, str]) -> int:
        """Return the number of `labels`, creating its object where there is none.

        Raises:
            KubeError: The API server did not take it; try again.
            IdentityExhaustedError: Every candidate belongs to other labels.
        """
        known = self.find(labels)
        if known is not None:
            return known
        for number in candidates(labels):
            owner = self._informer.get(str(number))
            if owner is not None and owner.security_labels != labels:
                continue
            if await self._take(number, labels):
                return number
        raise IdentityExhaustedError(" ".join(label_texts(labels)), CANDIDATES_MAX)

    async def _take(self, number: int, labels: Mapping[str, str]) -> bool:
        """Create the object; True also when another node has just done so for these labels."""
        identity = CiliumIdentity(
            metadata=ObjectMeta(name=str(number), labels=_object_labels(labels)),
            security_labels=dict(labels),
        )
        try:
            await self._client.create(CILIUM_IDENTITIES, identity)
        except AlreadyExistsError:
            pass
        else:
            return True
        try:
            found = await self._client.get(CILIUM_IDENTITIES, str(number))
        except NotFoundError:
            return False  # It was deleted meanwhile; the next candidate serves as well.
        return found.security_labels == labels

    def _record(self, old: CiliumIdentity | None, new: CiliumIdentity | None) -> None:
        if old is not None and _number(old):
            texts = label_texts(old.security_labels)
            numbers = self._by_labels.get(texts, set())
            numbers.discard(_number(old))
            if not numbers:
                self._by_labels.pop(texts, None)
        if new is not None and _number(new):
            texts = label_texts(new.security_labels)
            self._by_labels.setdefault(texts, set()).add(_number(new))


def _object_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the labels by which people select the object, as far as an object may have them.

    Security labels may be longer: a ServiceAccount's name has up to 253 characters, and a
    namespace's labels get a prefix.
    """
    plain = ((key.partition(":")[2], value) for key, value in labels.items())
    return {key: value for key, value in plain if _is_object_label(key, value)}


def _is_object_label(key: str, value: str) -> bool:
    prefix, _, name = key.rpartition("/")
    return (
        len(prefix) <= _LABEL_PREFIX_MAX
        and _LABEL_NAME.fullmatch(name) is not None
        and (not value or _LABEL_NAME.fullmatch(value) is not None)
    )


def _number(identity: CiliumIdentity) -> int:
    """Return the identity's number; 0 when its name is none that a cluster gives out."""
    name = identity.metadata.name
    number = int(name) if name.isdecimal() else 0
    return number if IDENTITY_MIN <= number <= IDENTITY_MAX else 0
