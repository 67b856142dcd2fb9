"""`ciliate dbg monitor`, which is `cilium-dbg monitor`: what happens to the packets of this node."""

import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

import click
import msgspec

from ciliate.api.monitor import EVENT_TYPES, SOCKET_NAME, MonitorAnswer, MonitorQuestion
from ciliate.cli.agent_client import AgentUnreachableError
from ciliate.cli.event_text import event_details, event_line, event_object
from ciliate.config.installation import AGENT_SOCKET
from ciliate.datapath.layout import Event, EventKind
from ciliate.errors import CiliateError

_ANSWER_TIMEOUT_S: Final = 10.0
_READ_BYTES: Final = 1 << 18

_KINDS: Final = {
    "drop": EventKind.EVENT_DROP,
    "trace": EventKind.EVENT_TRACE,
    "trace-sock": EventKind.EVENT_SOCKET,
}

#: Whether an event is shown.
Filter = Callable[[Event], bool]


class MonitorRefusedError(CiliateError):
    """The agent does not answer as a monitor does."""


class EndpointNumberError(CiliateError):
    """An option wants the number of an endpoint."""

    def __init__(self, *, option: str, text: str) -> None:
        super().__init__(
            f"{option}: {text!r} is no endpoint's number: `cilium-dbg endpoint list` shows them,"
            " in the first column"
        )


def _numbers(_: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> frozenset[int]:
    words = [word for text in texts for word in text.replace(",", " ").split()]
    for word in words:
        if not word.isdecimal() or not 0 < int(word) < 1 << 16:
            raise EndpointNumberError(option=option.opts[0], text=word)
    return frozenset(map(int, words))


@click.command(
    "monitor",
    epilog="\b\nExamples:\n  cilium-dbg monitor --type drop\n"
    "  cilium-dbg monitor --related-to 1234 -v\n"
    "  cilium-dbg monitor -t trace -j",
)
@click.option(
    "-t",
    "--type",
    "types",
    type=click.Choice(EVENT_TYPES),
    multiple=True,
    help="Only events of this type; may be given several times.",
)
@click.option(
    "--from",
    "senders",
    metavar="ID",
    multiple=True,
    callback=_numbers,
    help="Only from this endpoint.",
)
@click.option(
    "--to",
    "receivers",
    metavar="ID",
    multiple=True,
    callback=_numbers,
    help="Only to this endpoint.",
)
@click.option(
    "--related-to",
    "either",
    metavar="ID",
    multiple=True,
    callback=_numbers,
    help="Only from or to this endpoint.",
)
@click.option("-j", "--json", "as_json", is_flag=True, help="Print an object a line.")
@click.option("-v", "--verbose", is_flag=True, help="Print when and where each event was.")
def command(
    types: tuple[str, ...],
    senders: frozenset[int],
    receivers: frozenset[int],
    either: frozenset[int],
    *,
    as_json: bool,
    verbose: bool,
) -> None:
    """Show what happens to packets and sockets of this node, as it happens.

    Of a connection that goes on a packet is shown now and then alone: `monitor-aggregation` says
    how much is left out. A drop is always shown.
    """
    shown = _filter(types, senders, receivers, either)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        answer, begun = _asked(connection, _socket_path(), types)
        for name in answer.turned_off:
            click.echo(
                f"events of type {name} are turned off: set bpf-events-{name}-enabled to true and"
                " restart the agent",
                err=True,
            )
        click.echo("Listening for events: press Ctrl-C to quit", err=True)
        with contextlib.suppress(KeyboardInterrupt):
            for event in filter(shown, _events(connection, begun, answer)):
                click.echo(_text(event, answer, as_json=as_json, verbose=verbose))


def _text(event: Event, answer: MonitorAnswer, *, as_json: bool, verbose: bool) -> str:
    offset_ns = answer.epoch_offset_ns
    if as_json:
        found = event_object(event, _device, node=answer.node, epoch_offset_ns=offset_ns)
        return json.dumps(found)
    line = event_line(event, _device)
    return f"{event_details(event, epoch_offset_ns=offset_ns)}\n{line}" if verbose else line


def _filter(
    types: tuple[str, ...],
    senders: frozenset[int],
    receivers: frozenset[int],
    either: frozenset[int],
) -> Filter:
    """Return what lets an event through: every option that is given has to.

    The agent gives each listener what any of them asked for.
    """
    kinds = {_KINDS[name] for name in types or EVENT_TYPES}

    def shown(event: Event) -> bool:
        if event.kind == EventKind.EVENT_LOST:
            return True
        ends = {event.source_endpoint, event.destination_endpoint}
        return event.kind in kinds and (
            (not senders or event.source_endpoint in senders)
            and (not receivers or event.destination_endpoint in receivers)
            and (not either or not either.isdisjoint(ends))
        )

    return shown


def _socket_path() -> Path:
    """The monitor's socket lies beside the agent's."""
    return Path(os.environ.get("CILIUM_SOCK") or AGENT_SOCKET).parent / SOCKET_NAME


def _asked(
    connection: socket.socket, path: Path, types: tuple[str, ...]
) -> tuple[MonitorAnswer, bytes]:
    """Ask; return the answer, and what has come behind it."""
    try:
        connection.settimeout(_ANSWER_TIMEOUT_S)
        connection.connect(str(path))
        connection.sendall(msgspec.json.encode(MonitorQuestion(types=types)) + b"\n")
        text = b""
        while b"\n" not in text:
            part = connection.recv(_READ_BYTES)
            if not part:
                raise MonitorRefusedError(f"{path}: the agent ended the connection: see its log")
            text += part
        connection.settimeout(None)
    except OSError as error:
        raise AgentUnreachableError(path=str(path), problem=str(error)) from error
    line, _, rest = text.partition(b"\n")
    try:
        answer = msgspec.json.decode(line, type=MonitorAnswer)
    except msgspec.MsgspecError as error:
        raise MonitorRefusedError(f"{path}: the agent answered something else: {error}") from error
    if answer.error:
        raise MonitorRefusedError(f"monitor: {answer.error}")
    if answer.record_bytes != Event.SIZE:
        raise MonitorRefusedError(
            f"{path}: the agent's events have {answer.record_bytes} octets, and this command knows"
            f" those of {Event.SIZE}: use the command of the agent's version"
        )
    return answer, rest


def _events(connection: socket.socket, begun: bytes, answer: MonitorAnswer) -> Iterator[Event]:
    """Yield events until the agent ends."""
    octets = begun
    while True:
        whole = len(octets) // answer.record_bytes * answer.record_bytes
        yield from Event.unpack_many(octets[:whole])
        try:
            part = connection.recv(_READ_BYTES)
        except ConnectionError:
            part = b""
        if not part:
            raise MonitorRefusedError("the agent ended: start the command again once it is back")
        octets = octets[whole:] + part


@cache
def _device(number: int) -> str:
    """The device's name, or its number where it is gone."""
    try:
        return socket.if_indextoname(number)
    except OSError:
        return str(number)
