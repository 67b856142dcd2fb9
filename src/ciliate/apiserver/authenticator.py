"""Who sends a request: a certificate counts before a token, and without either it is refused (401).

A token holds while it has not expired, its service account is the one it was given for, and so are
the objects that it is bound to: a pod's token ends with the pod.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from ciliate.apiserver import errors
from ciliate.apiserver.account_tokens import ISSUER, AccountToken, AccountTokens, BoundObject
from ciliate.apiserver.authorizer import Authorizer
from ciliate.apiserver.identity import (
    ACCOUNT,
    User,
    impersonated,
    user_of_account,
    user_of_certificate,
)
from ciliate.apiserver.rbac import Asked
from ciliate.apiserver.store import Store

#: Kinds that a token may be bound to, and whether they are in the account's namespace.
BOUND_KINDS: Final = {"Pod": ("pods", True), "Secret": ("secrets", True), "Node": ("nodes", False)}
_BEARER: Final = "bearer "
_EXTRA: Final = "authentication.kubernetes.io/"


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Knows clients by the authority's certificates and by the tokens of one key."""

    store: Store
    tokens: AccountTokens
    authorizer: Authorizer
    now: Callable[[], float] = time.time

    def user_of(self, request: web.BaseRequest) -> User:
        """Return in whose name a request is to be served.

        Raises:
            StatusError: It proves no user (401), or may not take another's name (403).
        """
        user = user_of_certificate(request) or self._user_of_header(request)
        if user is None:
            raise errors.unauthorized()
        other = impersonated(request)
        if other is None:
            return user
        groups = request.headers.getall("Impersonate-Group", ())
        for asked in _taken(other, groups):
            self.authorizer.require(user, asked)
        return other

    def _user_of_header(self, request: web.BaseRequest) -> User | None:
        value = request.headers.get("Authorization", "")
        if not value.lower().startswith(_BEARER):
            return None
        return self.user_of_token(value[len(_BEARER) :].strip(), (ISSUER,))

    def user_of_token(self, text: str, audiences: Iterable[str]) -> User | None:
        """Return whose token it is; None: it does not hold, or is for none of `audiences`."""
        token = self.tokens.read(text)
        if token is None or not token.issued <= self.now() < token.expires:
            return None
        if not {*audiences} & {*token.audiences}:
            return None
        account = self.store.get("serviceaccounts", (token.namespace, token.account))
        if account is None or account.uid != token.account_uid:
            return None
        if not all(self._is_there(token, each) for each in _ends_with(token)):
            return None
        return user_of_account(token.namespace, token.account, token.account_uid, _extra(token))

    def _is_there(self, token: AccountToken, bound: BoundObject) -> bool:
        plural, is_namespaced = BOUND_KINDS[bound.kind.title()]
        found = self.store.get(plural, (token.namespace if is_namespaced else "", bound.name))
        return found is not None and found.uid == bound.uid


def _taken(other: User, groups: Iterable[str]) -> Iterator[Asked]:
    """Yield what one must be allowed to take another's name, groups and uid."""
    account = other.name.removeprefix(ACCOUNT)
    if account != other.name:
        namespace, _, name = account.partition(":")
        yield Asked(verb="impersonate", resource="serviceaccounts", namespace=namespace, name=name)
    else:
        yield Asked(verb="impersonate", resource="users", name=other.name)
    for group in groups:
        yield Asked(verb="impersonate", resource="groups", name=group)
    if other.uid:
        api_group = "authentication.k8s.io"
        yield Asked(verb="impersonate", group=api_group, resource="uids", name=other.uid)


def _ends_with(token: AccountToken) -> Iterable[BoundObject]:
    """Return what a token ends with: of a pod's the node is told only."""
    pods = [each for each in token.bound if each.kind == "pod"]
    return pods or token.bound


def _extra(token: AccountToken) -> dict[str, list[str]]:
    extra = {f"{_EXTRA}credential-id": [f"JTI={token.id}"]}
    for each in token.bound:
        extra[f"{_EXTRA}{each.kind}-name"] = [each.name]
        extra[f"{_EXTRA}{each.kind}-uid"] = [each.uid]
    return extra
