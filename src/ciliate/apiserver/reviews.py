"""Reviews: questions that are asked by creating an object and answered in its status.

Who may do what is the authorizer's to say, whose token one is the authenticator's.
"""

from dataclasses import dataclass
from typing import Final

import msgspec
from aiohttp import web

from ciliate.apiserver import errors
from ciliate.apiserver.account_tokens import ISSUER
from ciliate.apiserver.authenticator import Authenticator
from ciliate.apiserver.handlers import json_response
from ciliate.apiserver.identity import User
from ciliate.apiserver.rbac import Asked, summary
from ciliate.apiserver.store import JsonObject
from ciliate.apiserver.token_requests import read_review

_encode: Final = msgspec.json.Encoder().encode

#: Kinds by group and plural.
_KINDS: Final = {
    ("authorization.k8s.io", "selfsubjectaccessreviews"): "SelfSubjectAccessReview",
    ("authorization.k8s.io", "selfsubjectrulesreviews"): "SelfSubjectRulesReview",
    ("authorization.k8s.io", "subjectaccessreviews"): "SubjectAccessReview",
    ("authorization.k8s.io", "localsubjectaccessreviews"): "LocalSubjectAccessReview",
    ("authentication.k8s.io", "selfsubjectreviews"): "SelfSubjectReview",
    ("authentication.k8s.io", "tokenreviews"): "TokenReview",
}


def is_review(path: str) -> bool:
    """Return whether a path is one of a review."""
    return path.startswith(
        (
            "/apis/authorization.k8s.io/v1/",
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            "/apis/authentication.k8s.io/v1/tokenreviews",
        )
    )


@dataclass(frozen=True, slots=True)
class Reviews:
    """Answers reviews."""

    authenticator: Authenticator

    async def answer(self, path: str, request: web.BaseRequest, user: User) -> web.Response:
        """Answer a review.

        Raises:
            StatusError: There is no such review (404), it is not asked by POST (405), or the client
                may not ask (403).
        """
        if request.method != "POST":
            raise errors.method_not_allowed()
        group, _, plural, namespace = _place(path)
        kind = _KINDS.get((group, plural))
        if kind is None:
            raise errors.path_not_found()
        asked = Asked(verb="create", group=group, resource=plural, namespace=namespace)
        self.authenticator.authorizer.require(user, asked)
        review = await read_review(request, kind)
        spec = review.get("spec") or {}
        status = self._status(kind, spec, user, namespace)
        return json_response(_encode({**review, "status": status}), status=201)

    def _status(self, kind: str, spec: JsonObject, user: User, namespace: str) -> JsonObject:
        match kind:
            case "SelfSubjectReview":
                return {"userInfo": user.info()}
            case "TokenReview":
                return self._of_token(spec)
            case "SelfSubjectRulesReview":
                return self._rules(user, str(spec.get("namespace", "")))
            case "SelfSubjectAccessReview":
                return self._access(user, spec, "")
            case _:
                subject = User(str(spec.get("user", "")), tuple(spec.get("groups") or ()))
                return self._access(subject, spec, namespace)

    def _access(self, user: User, spec: JsonObject, namespace: str) -> JsonObject:
        if user.is_unbounded:
            return {"allowed": True, "reason": f"{user.name} may do everything"}
        if (said := spec.get("nonResourceAttributes")) is not None:
            asked = Asked(verb=str(said.get("verb", "")), path=str(said.get("path", "")))
        else:
            said = spec.get("resourceAttributes") or {}
            subresource = f"/{said['subresource']}" if said.get("subresource") else ""
            asked = Asked(
                verb=str(said.get("verb", "")),
                group=str(said.get("group", "")),
                resource=f"{said.get('resource', '')}{subresource}",
                namespace=namespace or str(said.get("namespace", "")),
                name=str(said.get("name", "")),
            )
        return {"allowed": self.authenticator.authorizer.allows(user, asked)}

    def _rules(self, user: User, namespace: str) -> JsonObject:
        rules: list[JsonObject] = [
            {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
            {"verbs": ["*"], "nonResourceURLs": ["*"]},
        ]
        if not user.is_unbounded:
            rules = list(self.authenticator.authorizer.rules_of(user, namespace))
        about_resources, about_paths = summary(rules)
        return {
            "resourceRules": about_resources,
            "nonResourceRules": about_paths,
            "incomplete": False,
        }

    def _of_token(self, spec: JsonObject) -> JsonObject:
        audiences = [str(each) for each in spec.get("audiences") or [ISSUER]]
        text = str(spec.get("token", ""))
        user = self.authenticator.user_of_token(text, audiences)
        if user is None:
            return {"authenticated": False, "error": "the token does not hold, or is for others"}
        token = self.authenticator.tokens.read(text)
        known = token.audiences if token is not None else ()
        return {
            "authenticated": True,
            "user": user.info(),
            "audiences": [each for each in audiences if each in known],
        }


def _place(path: str) -> tuple[str, str, str, str]:
    """Return group, version, plural and namespace of a review's path."""
    _, group, version, *rest = [part for part in path.split("/") if part]
    if len(rest) == 3 and rest[0] == "namespaces":
        return group, version, rest[2], rest[1]
    return group, version, rest[0] if len(rest) == 1 else "", ""
