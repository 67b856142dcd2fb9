"""Answers that are not what was asked for: each becomes a Status object of the Kubernetes API.

Reasons, codes and wording are kube-apiserver's (k8s.io/apimachinery/pkg/api/errors), since
clients decide by reason and people search for the words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ciliate.errors import CiliateError


class StoreError(CiliateError):
    """The store cannot be opened or written: names file and cause; the server ends with it."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        super().__init__(f"store {path}: {problem}: check the disk's space and permissions")


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that is wrong: `reason` is a FieldValue… or field manager's word."""

    field: str
    reason: str
    message: str


class StatusError(CiliateError):
    """A request that fails: code, reason and details as the client sees them."""

    def __init__(
        self, *, code: int, reason: str, message: str, details: dict[str, Any] | None = None
    ) -> None:
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        super().__init__(message)

    def status(self) -> dict[str, Any]:
        """Return the Status object."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        status["code"] = self.code
        return status


def _details(resource: str, group: str, name: str) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    details["kind"] = resource
    return details


def _qualified(resource: str, group: str) -> str:
    return f"{resource}.{group}" if group else resource


def not_found(*, resource: str, group: str, name: str) -> StatusError:
    """The object does not exist."""
    return StatusError(
        code=404,
        reason="NotFound",
        message=f'{_qualified(resource, group)} "{name}" not found',
        details=_details(resource, group, name),
    )


def path_not_found() -> StatusError:
    """Nothing is served at this path: an unknown group, version or resource."""
    return StatusError(
        code=404,
        reason="NotFound",
        message="the server could not find the requested resource",
        details={},
    )


def already_exists(*, resource: str, group: str, name: str) -> StatusError:
    """An object of that name exists."""
    return StatusError(
        code=409,
        reason="AlreadyExists",
        message=f'{_qualified(resource, group)} "{name}" already exists',
        details=_details(resource, group, name),
    )


def conflict(*, resource: str, group: str, name: str, problem: str = "") -> StatusError:
    """The object changed since the client read it, or a precondition does not hold."""
    problem = problem or (
        "the object has been modified; please apply your changes to the latest version and "
        "try again"
    )
    return StatusError(
        code=409,
        reason="Conflict",
        message=(
            f'Operation cannot be fulfilled on {_qualified(resource, group)} "{name}": {problem}'
        ),
        details=_details(resource, group, name),
    )


def apply_conflict(causes: Sequence[Cause]) -> StatusError:
    """Server-side apply would take fields from other managers; causes of one manager are together."""
    if len(causes) == 1:
        message = f"Apply failed with 1 conflict: {causes[0].message}: {causes[0].field}"
    else:
        lines: list[str] = []
        for message in dict.fromkeys(c.message for c in causes):
            lines.append(message.replace("conflict", "conflicts", 1) + ":")
            lines += [f"- {c.field}" for c in causes if c.message == message]
        message = f"Apply failed with {len(causes)} conflicts: " + "\n".join(lines)
    return StatusError(
        code=409, reason="Conflict", message=message, details={"causes": _causes(causes)}
    )


def _causes(causes: Sequence[Cause]) -> list[dict[str, str]]:
    return [{"reason": c.reason, "message": c.message, "field": c.field} for c in causes]


def invalid(*, kind: str, group: str, name: str, causes: Sequence[Cause]) -> StatusError:
    """The object breaks its type's rules; every broken field is a cause."""
    lines = list(dict.fromkeys(f"{c.field}: {c.message}" for c in causes))
    problem = lines[0] if len(lines) == 1 else "[" + ", ".join(lines) + "]"
    details = {"name": name}
    if group:
        details["group"] = group
    return StatusError(
        code=422,
        reason="Invalid",
        message=f'{_qualified(kind, group)} "{name}" is invalid: {problem}',
        details={**details, "kind": kind, "causes": _causes(causes)},
    )


def bad_request(message: str) -> StatusError:
    """The request cannot be understood."""
    return StatusError(code=400, reason="BadRequest", message=message)


def forbidden(*, resource: str, group: str, name: str, problem: str) -> StatusError:
    """An admission rule refuses the request."""
    return StatusError(
        code=403,
        reason="Forbidden",
        message=f'{_qualified(resource, group)} "{name}" is forbidden: {problem}',
        details=_details(resource, group, name),
    )


def unauthorized() -> StatusError:
    """The client proves no user."""
    return StatusError(code=401, reason="Unauthorized", message="Unauthorized")


def access_denied(*, resource: str, group: str, name: str, problem: str) -> StatusError:
    """The client may not do this."""
    shown = f'{_qualified(resource, group)} "{name}"' if name else _qualified(resource, group)
    return StatusError(
        code=403,
        reason="Forbidden",
        message=f"{shown} is forbidden: {problem}" if resource else f"forbidden: {problem}",
        details=_details(resource, group, name),
    )


def method_not_allowed() -> StatusError:
    """The resource exists, the verb does not."""
    return StatusError(
        code=405,
        reason="MethodNotAllowed",
        message="the server does not allow this method on the requested resource",
        details={},
    )


def expired(message: str) -> StatusError:
    """The resourceVersion asked for has been compacted: list again."""
    return StatusError(code=410, reason="Expired", message=message)


def gone(*, asked: int, oldest: int) -> StatusError:
    """A watch starts, or fell, before the history that is kept."""
    return expired(f"too old resource version: {asked} ({oldest})")


def too_large_version(*, asked: int, current: int) -> StatusError:
    """A resourceVersion that no object has had yet."""
    return StatusError(
        code=504,
        reason="Timeout",
        message=f"Too large resource version: {asked}, current: {current}",
        details={
            "causes": [
                {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
            ],
            "retryAfterSeconds": 1,
        },
    )


def body_too_large(limit_bytes: int) -> StatusError:
    """The body exceeds what the server reads."""
    return StatusError(
        code=413,
        reason="RequestEntityTooLarge",
        message=f"Request entity too large: limit is {limit_bytes}",
    )


def object_too_large() -> StatusError:
    """The object exceeds what is stored; the words, and that there is no reason, are etcd's."""
    return StatusError(code=500, reason="", message="etcdserver: request is too large")


def unsupported_media_type(got: str, supported: Sequence[str]) -> StatusError:
    """The body is in a format this verb does not take."""
    return StatusError(
        code=415,
        reason="UnsupportedMediaType",
        message=(
            "the body of the request was in an unknown format - accepted media types include: "
            + ", ".join(supported)
            + f" (got {got!r})"
        ),
        details={},
    )


def internal(message: str) -> StatusError:
    """Something the server depends on failed; the message says what."""
    return StatusError(
        code=500,
        reason="InternalError",
        message=f"Internal error occurred: {message}",
        details={"causes": [{"message": message}]},
    )


def unavailable(message: str) -> StatusError:
    """Not now: the client may try again."""
    return StatusError(
        code=503,
        reason="ServiceUnavailable",
        message=message,
        details={"retryAfterSeconds": 1},
    )
