"""Reviews: questions that are asked by creating an object and answered in its status.

A client with a certificate of the lab's authority may do everything: every access review allows.
"""

from typing import Any, Final

import msgspec
from aiohttp import web

from ciliate.apiserver import errors, protobuf
from ciliate.apiserver.bodies import read_body
from ciliate.apiserver.decoding import decode_body
from ciliate.apiserver.defaults import NO_TOKENS
from ciliate.apiserver.handlers import json_response
from ciliate.apiserver.identity import User, user_of
from ciliate.apiserver.requests import as_object, media_type
from ciliate.apiserver.store import JsonObject

_encode: Final = msgspec.json.Encoder().encode

_ALLOWED: Final = {"allowed": True, "reason": "the client has a certificate of this cluster"}
_ACCESS: Final = {
    "selfsubjectaccessreviews": "SelfSubjectAccessReview",
    "subjectaccessreviews": "SubjectAccessReview",
    "localsubjectaccessreviews": "LocalSubjectAccessReview",
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


async def answer_review(path: str, request: web.BaseRequest) -> web.Response:
    """Answer a review.

    Raises:
        StatusError: There is no such review (404), or it is not asked by POST (405).
    """
    plural = path.rstrip("/").rpartition("/")[2]
    if request.method != "POST":
        raise errors.method_not_allowed()
    body, content_type = await read_body(request), request.headers.get("Content-Type", "")
    if media_type(content_type) == protobuf.MEDIA_TYPE:
        review = protobuf.decode_protobuf(body, "")  # Its question changes nothing.
    else:
        review = as_object(decode_body(body, content_type))
    status = _status(plural, user_of(request))
    if status is None:
        raise errors.path_not_found()
    return json_response(_encode({**review, "status": status}), status=201)


def _status(plural: str, user: User) -> JsonObject | None:
    if plural in _ACCESS:
        return dict(_ALLOWED)
    everything: list[dict[str, Any]] = [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    ]
    match plural:
        case "selfsubjectrulesreviews":
            urls = [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
            return {
                "resourceRules": everything,
                "nonResourceRules": urls,
                "incomplete": False,
            }
        case "tokenreviews":
            return {"authenticated": False, "error": f"no token is known: {NO_TOKENS}"}
        case "selfsubjectreviews":
            return {"userInfo": {"username": user.name, "groups": list(user.groups)}}
        case _:
            return None
