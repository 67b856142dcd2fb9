"""Gives service accounts their tokens: `kubectl create token`, and what kubelets ask for pods.

POST on the subresource `token` of a ServiceAccount (authentication.k8s.io/v1, TokenRequest).
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from aiohttp import web

from ciliate.apiserver import errors, protobuf
from ciliate.apiserver.account_tokens import ISSUER, AccountToken, BoundObject
from ciliate.apiserver.authenticator import BOUND_KINDS, Authenticator
from ciliate.apiserver.bodies import read_body
from ciliate.apiserver.decoding import decode_body
from ciliate.apiserver.handlers import json_response
from ciliate.apiserver.history import Stored
from ciliate.apiserver.requests import RequestTarget, as_object, check_depth, media_type
from ciliate.apiserver.store import JsonObject, Store, decode

_LIFE_S: Final = 3600
_LIFE_MIN_S: Final = 600
_LIFE_MAX_S: Final = 1 << 32
_AUDIENCES_MAX: Final = 64

_encode: Final = msgspec.json.Encoder().encode


async def read_review(request: web.BaseRequest, type_name: str) -> JsonObject:
    """Return the body of something that is asked by creating it.

    Raises:
        StatusError: It cannot be read (400, 413).
    """
    body, content_type = await read_body(request), request.headers.get("Content-Type", "")
    if media_type(content_type) == protobuf.MEDIA_TYPE:
        return as_object(protobuf.decode_protobuf(body, type_name))
    value = decode_body(body, content_type)
    check_depth(value)
    return as_object(value)


@dataclass(frozen=True, slots=True)
class TokenRequests:
    """Answers requests for tokens."""

    store: Store
    authenticator: Authenticator

    async def answer(self, target: RequestTarget, request: web.BaseRequest) -> web.Response:
        """Answer one.

        Raises:
            StatusError: There is no such account (404), or it cannot have such a token (4xx).
        """
        if request.method != "POST":
            raise errors.method_not_allowed()
        review = await read_review(request, "AccountTokenRequest")
        self.store.settle()
        account = self.store.get("serviceaccounts", (target.namespace, target.name))
        if account is None:
            raise errors.not_found(resource="serviceaccounts", group="", name=target.name)
        spec = review.get("spec") or {}
        issued = int(self.authenticator.now())
        token = AccountToken(
            namespace=account.namespace,
            account=account.name,
            account_uid=account.uid,
            audiences=_audiences(spec, account),
            issued=issued,
            expires=issued + _life_s(spec, account),
            bound=self._bound(spec, account),
        )
        expires = datetime.fromtimestamp(token.expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        answer: JsonObject = {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {"name": account.name, "namespace": account.namespace},
            "spec": {**spec, "audiences": list(token.audiences)},
            "status": {
                "token": self.authenticator.tokens.sign(token),
                "expirationTimestamp": expires,
            },
        }
        answer["spec"]["expirationSeconds"] = token.expires - token.issued
        return json_response(_encode(answer), status=201)

    def _bound(self, spec: JsonObject, account: Stored) -> tuple[BoundObject, ...]:
        """Return what the token is to end with: the object asked for, and a pod's node."""
        said = spec.get("boundObjectRef")
        if not said:
            return ()
        kind, name = str(said.get("kind", "")), str(said.get("name", ""))
        if kind not in BOUND_KINDS:
            listed = ", ".join(f'"{each}"' for each in BOUND_KINDS)
            problem = f'Unsupported value: "{kind}": supported values: {listed}'
            raise _invalid(account, "spec.boundObjectRef.kind", "FieldValueNotSupported", problem)
        plural, is_namespaced = BOUND_KINDS[kind]
        found = self.store.get(plural, (account.namespace if is_namespaced else "", name))
        if found is None:
            raise errors.not_found(resource=plural, group="", name=name)
        wanted = str(said.get("uid") or found.uid)
        if found.uid != wanted:
            problem = (
                f"the UID in the bound object reference ({wanted}) does not match the UID in"
                f" record. The object might have been deleted and then recreated"
            )
            raise errors.conflict(resource=plural, group="", name=name, problem=problem)
        bound = BoundObject(kind.lower(), name, found.uid)
        return (bound, *self._node_of(found, account)) if kind == "Pod" else (bound,)

    def _node_of(self, pod: Stored, account: Stored) -> tuple[BoundObject, ...]:
        spec: dict[str, Any] = decode(pod)["spec"]
        own = spec.get("serviceAccountName", "")
        if own != account.name:
            raise errors.bad_request(
                f'cannot bind token for serviceaccount "{account.name}" to pod running with'
                f' different serviceaccount name "{own}"'
            )
        node = self.store.get("nodes", ("", spec.get("nodeName", "")))
        return () if node is None else (BoundObject("node", node.name, node.uid),)


def _audiences(spec: JsonObject, account: Stored) -> tuple[str, ...]:
    said = spec.get("audiences") or [ISSUER]
    if not isinstance(said, list) or len(said) > _AUDIENCES_MAX:
        problem = f"Invalid value: must be a list of at most {_AUDIENCES_MAX} texts"
        raise _invalid(account, "spec.audiences", "FieldValueInvalid", problem)
    return tuple(str(each) for each in said)


def _life_s(spec: JsonObject, account: Stored) -> int:
    asked = spec.get("expirationSeconds")
    if asked is None:
        return _LIFE_S
    problem = ""
    if not isinstance(asked, int) or asked < _LIFE_MIN_S:
        problem = "may not specify a duration less than 10 minutes"
    elif asked > _LIFE_MAX_S:
        problem = "may not specify a duration larger than 2^32 seconds"
    if problem:
        message = f"Invalid value: {asked}: {problem}"
        raise _invalid(account, "spec.expirationSeconds", "FieldValueInvalid", message)
    return int(asked)


def _invalid(account: Stored, field: str, reason: str, message: str) -> errors.StatusError:
    cause = errors.Cause(field, reason, message)
    group = "authentication.k8s.io"
    return errors.invalid(kind="TokenRequest", group=group, name=account.name, causes=[cause])
