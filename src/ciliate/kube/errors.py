"""Failures of the Kubernetes API, one class for each thing a caller can decide.

A caller that catches one of these need not know aiohttp, TLS or HTTP: `transport` turns all of it
into these. Every message names the verb and the object.
"""

from pathlib import Path

from ciliate.errors import CiliateError


class KubeError(CiliateError):
    """A request that the API server refused, or that did not reach it.

    `status` is the HTTP status or 0 when there was no answer; `reason` is the machine-readable
    reason of the API's Status object ("NotFound", "Conflict"), `detail` its message.
    """

    def __init__(
        self, *, verb: str, target: str, detail: str, status: int = 0, reason: str = ""
    ) -> None:
        self.verb = verb
        self.target = target
        self.detail = detail
        self.status = status
        self.reason = reason
        answered = f" (HTTP {status}{' ' if reason else ''}{reason})" if status else ""
        super().__init__(f"{verb} {target}: {detail}{answered}")


class NotFoundError(KubeError):
    """The object, or the whole kind, does not exist."""


class AlreadyExistsError(KubeError):
    """An object of that name exists; create did nothing."""


class ConflictError(KubeError):
    """The object changed since it was read: read it again and decide again."""


class GoneError(KubeError):
    """The resourceVersion or continue token is too old: list again."""


class ForbiddenError(KubeError):
    """Our credentials are unknown or not allowed to do this."""


class InvalidError(KubeError):
    """The server understood and rejected the content; repeating it does not help."""


class UnavailableError(KubeError):
    """The server is away, overloaded or silent; the same request may succeed later.

    Whether a request without an answer took effect is not known. `retry_after_s` is the
    server's wish, 0 when it named none.
    """

    def __init__(
        self,
        *,
        verb: str,
        target: str,
        detail: str,
        status: int = 0,
        reason: str = "",
        retry_after_s: float = 0,
    ) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(verb=verb, target=target, detail=detail, status=status, reason=reason)


class KubeconfigError(CiliateError):
    """The file that says where the API server is, and who we are, cannot be used."""

    def __init__(self, *, path: str | Path, problem: str) -> None:
        self.path = str(path)
        self.problem = problem
        super().__init__(f"kubeconfig {path}: {problem}")


class LeadershipLostError(CiliateError):
    """The lease could not be renewed in time: another process may lead now."""

    def __init__(self, *, lease: str, deadline_s: float) -> None:
        self.lease = lease
        self.deadline_s = deadline_s
        super().__init__(
            f"lease {lease}: not renewed within {deadline_s:g} s, so no longer the leader; "
            "check that the API server is reachable"
        )
