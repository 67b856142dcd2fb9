"""What a client may do: by its certificate everything, by a token what roles and bindings say.

Kubernetes' RBAC, read from the stored objects at every request. A ClusterRole with an
aggregationRule has the rules of those that it selects, without a controller that writes them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import msgspec

from ciliate.apiserver import errors
from ciliate.apiserver.identity import MASTERS, User
from ciliate.apiserver.rbac import EVERYTHING, Asked, allows, is_subject, selected
from ciliate.apiserver.store import JsonObject, Store

GROUP: Final = "rbac.authorization.k8s.io"
#: Roles and bindings kept decoded.
_DECODED_MAX: Final = 1024


@lru_cache(maxsize=_DECODED_MAX)
def _decoded(raw: bytes) -> JsonObject:
    found: JsonObject = msgspec.json.decode(raw)
    return found


@dataclass(frozen=True, slots=True)
class Authorizer:
    """Decides by the objects of a store."""

    store: Store

    def allows(self, user: User, asked: Asked) -> bool:
        """Return whether a client may do something."""
        if user.is_unbounded:
            return True
        return any(allows(rule, asked) for rule in self.rules_of(user, asked.namespace))

    def require(self, user: User, asked: Asked) -> None:
        """Let a request pass that its client may make.

        Raises:
            StatusError: It may not (403).
        """
        if user.is_unbounded:
            return
        if not self.allows(user, asked):
            raise errors.access_denied(
                resource=asked.resource,
                group=asked.group,
                name=asked.name,
                problem=f'User "{user.name}" cannot {asked.words()}',
            )
        grants = asked.group == GROUP and asked.verb not in ("get", "list", "watch")
        if grants and not self.allows(user, EVERYTHING):
            raise errors.access_denied(
                resource=asked.resource,
                group=asked.group,
                name=asked.name,
                problem=f'User "{user.name}" may not grant rights: in a lab only who may do everything'
                f" may, as {MASTERS} or by the ClusterRole cluster-admin",
            )

    def rules_of(self, user: User, namespace: str) -> Iterator[JsonObject]:
        """Yield the rules that a client has, in the cluster and, where one is named, in a namespace."""
        for binding in self._objects("clusterrolebindings"):
            if _binds(binding, user, ""):
                yield from self._rules(binding, "")
        if namespace:
            for binding in self._objects("rolebindings", namespace):
                if _binds(binding, user, namespace):
                    yield from self._rules(binding, namespace)

    def _rules(self, binding: JsonObject, namespace: str) -> Iterator[JsonObject]:
        reference = binding.get("roleRef") or {}
        name = str(reference.get("name", ""))
        if reference.get("kind") == "Role":
            found = self._one("roles", namespace, name)
        else:
            found = self._one("clusterroles", "", name)
        if found is None:
            return
        yield from found.get("rules") or ()
        selectors = (found.get("aggregationRule") or {}).get("clusterRoleSelectors") or ()
        if selectors:
            for role in self._objects("clusterroles"):
                if selected(role["metadata"].get("labels") or {}, selectors):
                    yield from role.get("rules") or ()

    def _objects(self, plural: str, namespace: str = "") -> Iterator[JsonObject]:
        for stored in self.store.collection(f"{plural}.{GROUP}").select(namespace):
            yield _decoded(stored.raw)

    def _one(self, plural: str, namespace: str, name: str) -> JsonObject | None:
        found = self.store.get(f"{plural}.{GROUP}", (namespace, name))
        return None if found is None else _decoded(found.raw)


def _binds(binding: JsonObject, user: User, namespace: str) -> bool:
    return any(
        is_subject(subject, user=user.name, groups=user.groups, namespace=namespace)
        for subject in binding.get("subjects") or ()
    )
