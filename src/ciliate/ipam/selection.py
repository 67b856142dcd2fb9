"""Which pool a pod's address of one family comes from in mode multi-pool.

The first of these that names one: the pod's annotations, its namespace's, the selectors of the
pools, the default pool. Asked once per pod and family, before an address is given: a later change
of annotations or labels does not move a running pod. Nothing here waits; an error says whether
waiting may help.
"""

import difflib
import re
from collections.abc import Mapping
from typing import Final

from ciliate.api.label_selectors import matches
from ciliate.api.metadata import ObjectMeta
from ciliate.api.pod_ip_pool import CiliumPodIPPool
from ciliate.ipam.errors import (
    ObjectUnknownError,
    PoolAmbiguousError,
    PoolFamilyError,
    PoolNameError,
    PoolRequiredError,
    PoolsNotSyncedError,
    PoolUnknownError,
)

#: Annotation of a pod or a namespace: the pool of both families.
POOL_ANNOTATION: Final = "ipam.cilium.io/ip-pool"
#: Likewise for one family; these come first.
VERSION_POOL_ANNOTATIONS: Final = {
    4: "ipam.cilium.io/ipv4-pool",
    6: "ipam.cilium.io/ipv6-pool",
}
#: Annotation of a pod or a namespace: "true" keeps the pod out of the default pool.
REQUIRE_ANNOTATION: Final = "ipam.cilium.io/require-pool-match"
#: The key of the ConfigMap that names the default pool.
DEFAULT_POOL_KEY: Final = "ipam-default-ip-pool"

#: What a podSelector sees beside the pod's own labels.
_NAMESPACE_LABEL: Final = "io.kubernetes.pod.namespace"
_NAME_LABEL: Final = "io.kubernetes.pod.name"

#: Names of objects (RFC 1123; Kubernetes, "Object Names and IDs").
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME_CHARACTERS_MAX: Final = 253
#: How much of a wrong name is compared with the right ones.
_COMPARED_CHARACTERS: Final = 64


def select_pool(
    version: int,
    owner: str,
    *,
    pod: ObjectMeta | None,
    namespace: ObjectMeta | None,
    pools: Mapping[str, CiliumPodIPPool],
    synced: bool,
    default_pool: str,
    config_map: str,
) -> str:
    """Return the pool of `owner`'s address of IP `version`.

    Args:
        version: 4 or 6.
        owner: `<namespace>/<name>` of a pod; any other owner gets the default pool, unchecked.
        pod: The pod's metadata; None: not seen (yet).
        namespace: That of the pod's namespace; None: not seen (yet).
        pools: Every CiliumPodIPPool, by name.
        synced: Whether `pools` has been complete once.
        default_pool: `ipam-default-ip-pool`.
        config_map: What this installation calls the ConfigMap that names it, for errors.

    Raises:
        ObjectUnknownError: Pod or namespace are not seen yet.
        PoolsNotSyncedError: It depends on pools that may exist.
        PoolNameError: An annotation cannot be a pool's name.
        PoolUnknownError: The pool does not exist (yet).
        PoolFamilyError: The pool has no CIDRs of this family.
        PoolAmbiguousError: Several pools' selectors match.
        PoolRequiredError: No selector matches and the default pool is ruled out.
    """
    space, _, name = owner.partition("/")
    if not space or not name:
        return default_pool
    if pod is None:
        raise ObjectUnknownError(owner, "Pod", owner)
    if namespace is None:
        raise ObjectUnknownError(owner, "Namespace", space)

    choice = _Choice(version, owner, pools, synced=synced)
    for where, metadata in (("the pod", pod), (f"namespace {space}", namespace)):
        for key in (VERSION_POOL_ANNOTATIONS[version], POOL_ANNOTATION):
            if value := metadata.annotations.get(key):
                return choice.annotated(where, key, value)
    labels = {**pod.labels, _NAMESPACE_LABEL: space, _NAME_LABEL: name}
    if (selected := choice.selecting(labels, namespace.labels)) is not None:
        return selected
    for where, metadata in (("pod", pod), ("namespace", namespace)):
        if metadata.annotations.get(REQUIRE_ANNOTATION) == "true":
            raise PoolRequiredError(owner, version, where)
    return choice.existing(config_map, DEFAULT_POOL_KEY, default_pool)


class _Choice:
    """The choice of a pool for one pod's address of one family."""

    __slots__ = ("_owner", "_pools", "_synced", "_version")

    def __init__(
        self, version: int, owner: str, pools: Mapping[str, CiliumPodIPPool], *, synced: bool
    ) -> None:
        self._version = version
        self._owner = owner
        self._pools = pools
        self._synced = synced

    def annotated(self, where: str, key: str, value: str) -> str:
        """Return the pool that the annotation `key` of `where` names."""
        problem = _name_problem(value)
        if problem:
            raise PoolNameError(
                self._owner,
                where=where,
                key=key,
                value=value,
                problem=problem,
                nearest=self._nearest(value),
            )
        return self.existing(where, key, value)

    def existing(self, where: str, key: str, name: str) -> str:
        """Return `name` when such a pool exists and has the family."""
        pool = self._pools.get(name)
        if pool is None:
            if not self._synced:
                raise PoolsNotSyncedError(self._owner)
            nearest = self._nearest(name)
            raise PoolUnknownError(self._owner, where=where, key=key, pool=name, nearest=nearest)
        if not _has_version(pool, self._version):
            version = self._version
            raise PoolFamilyError(self._owner, where=where, key=key, pool=name, version=version)
        return name

    def selecting(self, pod: Mapping[str, str], namespace: Mapping[str, str]) -> str | None:
        """Return the one pool whose selectors match the labels; None: none does."""
        if not self._synced:
            raise PoolsNotSyncedError(self._owner)
        found = sorted(
            name
            for name, pool in self._pools.items()
            if _has_version(pool, self._version) and _selects(pool, pod, namespace)
        )
        if len(found) > 1:
            raise PoolAmbiguousError(self._owner, self._version, found)
        return found[0] if found else None

    def _nearest(self, value: str) -> str | None:
        wrong = value[:_COMPARED_CHARACTERS].strip().lower()
        near = difflib.get_close_matches(wrong, sorted(self._pools), n=1, cutoff=0.6)
        return near[0] if near else None


def _has_version(pool: CiliumPodIPPool, version: int) -> bool:
    return (pool.spec.ipv4 if version == 4 else pool.spec.ipv6) is not None


def _selects(pool: CiliumPodIPPool, pod: Mapping[str, str], namespace: Mapping[str, str]) -> bool:
    """Whether the pool has a selector and each that it has matches."""
    by_pod, by_namespace = pool.spec.pod_selector, pool.spec.namespace_selector
    if by_pod is None and by_namespace is None:
        return False
    return (by_pod is None or matches(by_pod, pod)) and (
        by_namespace is None or matches(by_namespace, namespace)
    )


def _name_problem(value: str) -> str:
    """Return why `value` cannot be an object's name; empty: it can."""
    if (
        len(value) > _NAME_CHARACTERS_MAX
    ):  # First, so that the expression never sees a longer text.
        return f"is longer than a name's {_NAME_CHARACTERS_MAX} characters"
    if _SUBDOMAIN.fullmatch(value) is None:
        return (
            "is no name of an object (lower case letters, digits, '-' and '.', beginning and"
            " ending with a letter or digit)"
        )
    return ""
