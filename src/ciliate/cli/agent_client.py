"""Asking the agent of this node over its Unix socket.

A `dbg` command is one or two requests on a socket that answers within milliseconds; http.client
from the standard library starts in a fifth of the time that aiohttp takes to import.
"""

import os
import socket
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from typing import Final, TypeVar

import msgspec

from ciliate.api.agent import ApiError
from ciliate.config.installation import AGENT_SOCKET
from ciliate.errors import CiliateError

T = TypeVar("T")

#: The agent answers from memory; one that takes longer is stuck.
TIMEOUT_S: Final = 10.0

#: An answer of 65,536 endpoints is some 50 MiB.
ANSWER_BYTES_MAX: Final = 256 * 1024 * 1024


class AgentUnreachableError(CiliateError):
    """No agent (or other process of ours) answers on the socket."""

    def __init__(self, *, path: str, problem: str, process: str = "agent") -> None:
        self.path = path
        self.problem = problem
        where = (
            "on a node whose cilium pod is ready, or set CILIUM_SOCK"
            if process == "agent"
            else f"where the {process} runs"
        )
        super().__init__(
            f"cannot reach the {process}: dial unix {path}: {problem}. Is the {process} running? "
            f"Run this as root {where}"
        )


class AgentAnswerError(CiliateError):
    """The agent (or other process) answered, but not with what was asked for."""

    def __init__(self, *, request: str, status: int, problem: str, process: str = "agent") -> None:
        self.request = request
        self.status = status
        self.problem = problem
        super().__init__(f"{request}: the {process} answered {status}: {problem}")


class _UnixConnection(HTTPConnection):
    """HTTP/1.1 over a Unix socket; the host name is only what the header says."""

    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path
        self._timeout_s = timeout_s

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._timeout_s)
        self.sock.connect(self._path)


class AgentClient:
    """The agent's API; each call is a connection of its own."""

    def __init__(self, path: str) -> None:
        self.path = path

    @classmethod
    def from_environment(cls) -> "AgentClient":
        """Return a client of the socket that CILIUM_SOCK names, or of the usual one."""
        return cls(os.environ.get("CILIUM_SOCK") or AGENT_SOCKET)

    def get(self, target: str, answer: type[T], *, timeout_s: float = TIMEOUT_S) -> T:
        """Return what GET /v1/<target> answers.

        Raises:
            AgentUnreachableError: Nothing listens, or it does not answer in time.
            AgentAnswerError: The status is not 200, or the body is something else.
        """
        return self._ask("GET", f"/v1/{target}", answer, timeout_s=timeout_s)

    def post(
        self, target: str, body: msgspec.Struct, answer: type[T], *, timeout_s: float = TIMEOUT_S
    ) -> T:
        """Return what POST /v1/<target> answers; for what the agent needs time to do.

        Raises:
            AgentUnreachableError: Nothing listens, or it does not answer in time.
            AgentAnswerError: The status is not 200, or the body is something else.
        """
        content = msgspec.json.encode(body)
        return self._ask("POST", f"/v1/{target}", answer, content=content, timeout_s=timeout_s)

    def _ask(
        self,
        method: str,
        path: str,
        answer: type[T],
        *,
        content: bytes | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> T:
        request = f"{method} {path}"
        status, body = exchange(self.path, method, path, content, timeout_s=timeout_s)
        if status != 200:
            problem = _read_or(body, ApiError, lambda error: error.message)
            raise AgentAnswerError(request=request, status=status, problem=problem)
        try:
            return msgspec.json.decode(body, type=answer)
        except msgspec.MsgspecError as error:
            raise AgentAnswerError(
                request=request,
                status=status,
                problem=f"{error}; are command and agent of the same version?",
            ) from error


def exchange(
    path: str,
    method: str,
    target: str,
    content: bytes | None = None,
    *,
    process: str = "agent",
    timeout_s: float = TIMEOUT_S,
) -> tuple[int, bytes]:
    """Return status and body of a request on the socket at `path`.

    Raises:
        AgentUnreachableError: Nothing listens, or it does not answer in time.
    """
    connection = _UnixConnection(path, timeout_s)
    try:
        connection.request(method, target, body=content, headers={"Accept": "application/json"})
        response = connection.getresponse()
        return response.status, response.read(ANSWER_BYTES_MAX)
    except TimeoutError as error:
        problem = f"no answer within {timeout_s:.0f} s"
        raise AgentUnreachableError(path=path, problem=problem, process=process) from error
    except OSError as error:
        problem = (error.strerror or str(error)).lower()
        raise AgentUnreachableError(path=path, problem=problem, process=process) from error
    except HTTPException as error:
        problem = f"this is no HTTP: {error!r}"
        raise AgentUnreachableError(path=path, problem=problem, process=process) from error
    finally:
        connection.close()


def _read_or(body: bytes, answer: type[T], text: Callable[[T], str]) -> str:
    """Return `text` of the decoded body, or the body's beginning when it is something else."""
    try:
        return text(msgspec.json.decode(body, type=answer))
    except msgspec.MsgspecError:
        return body[:200].decode(errors="replace")


def ask_socket(path: str, target: str, *, process: str) -> bytes:
    """Return what GET `target` answers on a socket of another process of ours.

    Raises:
        AgentUnreachableError: Nothing listens, or it does not answer in time.
        AgentAnswerError: The status is not 200.
    """
    status, body = exchange(path, "GET", target, process=process)
    if status != 200:
        problem = body[:200].decode(errors="replace")
        raise AgentAnswerError(
            request=f"GET {target}", status=status, problem=problem, process=process
        )
    return body
