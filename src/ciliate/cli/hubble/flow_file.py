"""Flows out of a file: what `hubble observe -o json` wrote, or an exporter's log (`--input-file`).

The filters are the server's own, so the same flags find the same flows.
"""

import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import click
import msgspec
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

from ciliate.cli.hubble.errors import HubbleError
from ciliate.cli.hubble.flow_filters import Filters
from ciliate.cli.hubble.selection import Selection
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.server.filter import compile_filters
from ciliate.flows.server.message_view import MessageView

Response = observer_pb2.GetFlowsResponse


class FlowFileError(HubbleError):
    """The file cannot be read."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        super().__init__(f"{path}: {problem}")


def read_flows(path: str, selection: Selection, filters: Filters) -> Generator[Response]:
    """Yield the answers in a file that flags select; "-" is standard input.

    Raises:
        FlowFileError: The file cannot be read.
    """
    wanted = compile_filters(filters.allowed, filters.denied)

    def selected(response: Response) -> bool:
        if response.WhichOneof("response_types") != "flow":
            return True  # What is lost, or what happened to a node, belongs to no flow.
        return _in_time(response.flow.time, selection) and wanted(MessageView(response.flow))

    with _lines(path) as lines:
        yield from _counted(filter(selected, _responses(path, lines)), selection)


def _counted(found: Iterator[Response], selection: Selection) -> Iterable[Response]:
    """Return the first or the last of them: `since` is where a count begins, without it the end."""
    if not selection.number or selection.follow:
        return found
    if selection.first or selection.since is not None:
        return islice(found, selection.number)
    return deque(found, maxlen=min(selection.number, sys.maxsize))


def _in_time(time: Timestamp, selection: Selection) -> bool:
    moment = (time.seconds, time.nanos)
    since, until = selection.since, selection.until
    return (since is None or (since.seconds, since.nanos) <= moment) and (
        until is None or moment <= (until.seconds, until.nanos)
    )


@contextmanager
def _lines(path: str) -> Iterator[Iterable[bytes]]:
    if path == "-":
        yield sys.stdin.buffer
        return
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise FlowFileError(path, error.strerror or str(error)) from error


def _responses(path: str, lines: Iterable[bytes]) -> Iterator[Response]:
    """Yield the answers; a line that is none is named on standard error and left out.

    The last line of a log that is being written is often half of one.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = _response(msgspec.json.decode(line))
        except (msgspec.MsgspecError, json_format.ParseError, TypeError, ValueError) as error:
            click.echo(f"{path}:{number}: no flow, left out: {error}", err=True)
            continue
        if found is not None:
            yield found


def _response(value: Any) -> Response | None:
    """Return the answer in an object, or None for an event that is no answer about flows."""
    if not isinstance(value, dict):
        raise TypeError("it is no object")
    if "agent_event" in value or "debug_event" in value:
        return None
    kinds = {"flow", "node_status", "lost_events"}
    # Up to its version 0.10 Cilium's command wrote flows alone.
    answer = value if kinds & value.keys() else {"flow": value}
    found = Response()
    json_format.ParseDict(answer, found, ignore_unknown_fields=True)
    if answer is not value:
        found.time.CopyFrom(found.flow.time)
        found.node_name = found.flow.node_name
    return found
