"""The API's own account of a failure (metav1.Status), and which of our errors it is.

Pure. HTTP codes and reasons: Kubernetes API conventions, "Response Status Kind".
"""

from typing import Final

import msgspec

from ciliate.api.decode import decode_document
from ciliate.kube.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    KubeError,
    NotFoundError,
    UnavailableError,
)

#: How much of an answer that is no Status a message repeats.
_EXCERPT_CHARACTERS: Final = 200

_BY_CODE: Final[dict[int, type[KubeError]]] = {
    400: InvalidError,
    401: ForbiddenError,
    403: ForbiddenError,
    404: NotFoundError,
    405: InvalidError,
    406: InvalidError,
    409: ConflictError,
    410: GoneError,
    413: InvalidError,
    415: InvalidError,
    422: InvalidError,
}


class StatusDetails(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What the failure is about, as far as callers act on it."""

    retry_after_seconds: float = 0


class Status(msgspec.Struct, frozen=True, gc=False):
    """The answer to a request that failed."""

    kind: str = ""
    code: int = 0
    reason: str = ""
    message: str = ""
    details: StatusDetails | None = None


def parse_status(body: bytes) -> Status:
    """Return the Status in `body`; a body of another kind becomes the message of one."""
    try:
        status = decode_document(body, Status)
    except msgspec.MsgspecError:
        return Status(message=body[:_EXCERPT_CHARACTERS].decode(errors="replace").strip())
    # A proxy may answer JSON of its own.
    if status.kind != "Status":
        return Status(message=body[:_EXCERPT_CHARACTERS].decode(errors="replace").strip())
    return status


def error_of(
    status: Status, *, verb: str, target: str, code: int = 0, retry_after_s: float = 0
) -> KubeError:
    """Return the error that `status` describes; `code`, the HTTP status, wins over its own."""
    code = code or status.code
    detail = status.message or "no explanation given"
    if code == 429 or code >= 500:
        wished_s = status.details.retry_after_seconds if status.details else 0
        return UnavailableError(
            verb=verb,
            target=target,
            detail=detail,
            status=code,
            reason=status.reason,
            retry_after_s=wished_s or retry_after_s,
        )
    kind = _BY_CODE.get(code, KubeError)
    if kind is ConflictError and status.reason == "AlreadyExists":
        kind = AlreadyExistsError
    return kind(verb=verb, target=target, detail=detail, status=code, reason=status.reason)
