"""Running a command in a pod's container, as `kubectl exec` does, without input.

The protocol is Kubernetes' remote command over a WebSocket: the first octet of each message is
its channel, and the last message, on channel 3, is a Status that says how the command ended
(k8s.io/apimachinery/pkg/util/remotecommand). Version 5 differs from 4 only in how input ends.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import msgspec

from ciliate.api.core import PODS
from ciliate.api.decode import decode_document
from ciliate.kube.document import target_of
from ciliate.kube.errors import InvalidError, UnavailableError
from ciliate.kube.transport import Transport

_PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
#: What a command may print, if its caller does not say: the agent's longest answer.
OUTPUT_BYTES_MAX: Final = 256 * 1024 * 1024
#: What is kept of a command's complaints while it goes on.
_SAID_BYTES_MAX: Final = 4096

_STDOUT, _STDERR, _STATUS = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Executed:
    """How a command ended, and what it printed."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class _Cause(msgspec.Struct, frozen=True):
    reason: str = ""
    message: str = ""


class _Details(msgspec.Struct, frozen=True):
    causes: tuple[_Cause, ...] = ()


class _End(msgspec.Struct, frozen=True):
    status: str = ""
    reason: str = ""
    message: str = ""
    details: _Details = _Details()


async def execute(
    transport: Transport,
    pod: str,
    command: tuple[str, ...],
    *,
    namespace: str,
    container: str,
    timeout_s: float,
    output_bytes_max: int,
) -> Executed:
    """Run `command` to its end. `transport` is an `ApiClient`'s; see there.

    Raises:
        UnavailableError: The node does not answer, or not within `timeout_s`.
        InvalidError: The command was not run, or printed more than `output_bytes_max`.
        KubeError: The API server refuses.
    """
    target = target_of(PODS, namespace, pod, "exec")
    printed = {_STDOUT: bytearray(), _STDERR: bytearray()}
    end: bytes | None = None
    try:
        async with asyncio.timeout(timeout_s):
            messages = _messages(transport, pod, command, namespace=namespace, container=container)
            async for message in messages:
                channel, content = message[:1], message[1:]
                if channel == bytes([_STATUS]):
                    end = content
                    break
                if channel and channel[0] in printed:
                    printed[channel[0]] += content
                if sum(map(len, printed.values())) > output_bytes_max:
                    detail = f"{command[0]} printed more than {output_bytes_max} octets"
                    raise InvalidError(verb="exec", target=target, detail=detail)
    except TimeoutError as error:
        detail = f"{' '.join(command)} has not ended within {timeout_s:g} s"
        raise UnavailableError(verb="exec", target=target, detail=detail) from error
    if end is None:
        detail = f"the connection ended before {command[0]} did"
        raise UnavailableError(verb="exec", target=target, detail=detail)
    code = _exit_code(end, target=target)
    return Executed(code, bytes(printed[_STDOUT]), bytes(printed[_STDERR]))


async def printed_pieces(
    transport: Transport,
    pod: str,
    command: tuple[str, ...],
    *,
    namespace: str,
    container: str,
) -> AsyncGenerator[bytes]:
    """Yield what `command` prints, as it comes, until it ends by itself with success.

    Who stops reading closes the connection, and the command meets that when it prints again: one
    that may be silent for long is to be given an end of its own.

    Raises:
        UnavailableError: The node does not answer, or the connection ended before the command.
        InvalidError: The command was not run, or failed; with what it said last.
        KubeError: The API server refuses.
    """
    target = target_of(PODS, namespace, pod, "exec")
    said = b""
    messages = _messages(transport, pod, command, namespace=namespace, container=container)
    async with aclosing(messages):
        async for message in messages:
            channel, content = message[:1], message[1:]
            if channel == bytes([_STDOUT]):
                yield content
            elif channel == bytes([_STDERR]):
                said = (said + content)[-_SAID_BYTES_MAX:]
            elif channel == bytes([_STATUS]):
                if code := _exit_code(content, target=target):
                    last = said.decode(errors="replace").strip().splitlines()[-1:]
                    detail = last[0] if last else f"{command[0]} ended with exit code {code}"
                    raise InvalidError(verb="exec", target=target, detail=detail)
                return
    detail = f"the connection ended before {command[0]} did"
    raise UnavailableError(verb="exec", target=target, detail=detail)


def _messages(
    transport: Transport,
    pod: str,
    command: tuple[str, ...],
    *,
    namespace: str,
    container: str,
) -> AsyncGenerator[bytes]:
    """Return the messages of one command: the channel's octet, and what came on it."""
    params = [
        ("container", container),
        ("stdout", "true"),
        ("stderr", "true"),
        *(("command", word) for word in command),
    ]
    return transport.messages(
        PODS.path(namespace=namespace, name=pod, subresource="exec"),
        verb="exec",
        target=target_of(PODS, namespace, pod, "exec"),
        params=params,
        protocols=_PROTOCOLS,
    )


def _exit_code(status: bytes, *, target: str) -> int:
    try:
        end = decode_document(status, _End)
    except msgspec.MsgspecError:
        end = _End(message=status[:200].decode(errors="replace"))
    if end.status == "Success":
        return 0
    for cause in end.details.causes:
        if cause.reason == "ExitCode" and cause.message.isdecimal():
            if end.message and int(cause.message) in (126, 127) and "exec:" in end.message:
                break  # It was never started: the message says why.
            return int(cause.message)
    detail = end.message or "the command was not run"
    raise InvalidError(verb="exec", target=target, detail=detail, reason=end.reason)
