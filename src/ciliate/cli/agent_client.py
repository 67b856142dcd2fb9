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

from ciliate.api.agent import AGENT_SOCKET, ApiError
from ciliate.errors import CiliateError

T = TypeVar("T")

#: The agent answers from memory; one that takes longer is stuck.
TIMEOUT_S: Final = 10.0

#: An answer of 65,536 endpoints is some 50 MiB.
ANSWER_BYTES_MAX: Final = 256 * 1024 * 1024


class AgentUnreachableError(CiliateError):
    """No agent answers on the socket."""

    def __init__(self, *, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(
            f"cannot reach the agent: dial unix {path}: {problem}. Is the agent running? "
            "Run this as root on a node whose cilium pod is ready, or set CILIUM_SOCK"
        )


class AgentAnswerError(CiliateError):
    """The agent answered, but not with what was asked for."""

    def __init__(self, *, request: str, status: int, problem: str) -> None:
        self.request = request
        self.status = status
        self.problem = problem
        super().__init__(f"{request}: the agent answered {status}: {problem}")


class _UnixConnection(HTTPConnection):
    """HTTP/1.1 over a Unix socket; the host name is only what the header says."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(self._path)


class AgentClient:
    """The agent's API; each call is a connection of its own."""

    def __init__(self, path: str) -> None:
        self.path = path

    @classmethod
    def from_environment(cls) -> "AgentClient":
        """Return a client of the socket that CILIUM_SOCK names, or of the usual one."""
        return cls(os.environ.get("CILIUM_SOCK") or AGENT_SOCKET)

    def get(self, target: str, answer: type[T]) -> T:
        """Return what GET /v1/<target> answers.

        Raises:
            AgentUnreachableError: Nothing listens, or it does not answer in time.
            AgentAnswerError: The status is not 200, or the body is something else.
        """
        request = f"GET /v1/{target}"
        status, body = self._exchange(f"/v1/{target}")
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

    def _exchange(self, target: str) -> tuple[int, bytes]:
        connection = _UnixConnection(self.path)
        try:
            connection.request("GET", target, headers={"Accept": "application/json"})
            response = connection.getresponse()
            return response.status, response.read(ANSWER_BYTES_MAX)
        except TimeoutError as error:
            raise AgentUnreachableError(
                path=self.path, problem=f"no answer within {TIMEOUT_S:.0f} s"
            ) from error
        except OSError as error:
            problem = (error.strerror or str(error)).lower()
            raise AgentUnreachableError(path=self.path, problem=problem) from error
        except HTTPException as error:
            raise AgentUnreachableError(
                path=self.path, problem=f"this is no HTTP: {error!r}"
            ) from error
        finally:
            connection.close()


def _read_or(body: bytes, answer: type[T], text: Callable[[T], str]) -> str:
    """Return `text` of the decoded body, or the body's beginning when it is something else."""
    try:
        return text(msgspec.json.decode(body, type=answer))
    except msgspec.MsgspecError:
        return body[:200].decode(errors="replace")
