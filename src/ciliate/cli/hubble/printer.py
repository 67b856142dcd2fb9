"""Answers of a stream, printed as they come: the same for flows, agents' events and debug messages.

Events go to standard output; what a relay says of its nodes to standard error. A table is printed at
the end, when the widths of its columns are known.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import click
from google.protobuf.message import Message

from ciliate.cli.hubble import event_text, flow_text
from ciliate.cli.hubble.record_text import SEPARATOR, Record, render_record, render_table
from ciliate.cli.hubble.style import Form, Style
from ciliate.flows.harmless import harmless
from ciliate.flows.message_json import MessageJsonError, message_line
from ciliate.flows.pb.observer import observer_pb2

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Texts(Generic[M]):
    """How one kind of answer looks."""

    line: Callable[[M, Style], str]
    record: Callable[[M, Style], Record]


FLOWS: Final = Texts(flow_text.flow_line, flow_text.flow_record)
LOST: Final = Texts(flow_text.lost_line, flow_text.lost_record)
AGENT_EVENTS: Final = Texts(event_text.agent_event_line, event_text.agent_event_record)
DEBUG_EVENTS: Final = Texts(event_text.debug_event_line, event_text.debug_event_record)
_NODES: Final = Texts(event_text.node_status_line, event_text.node_status_record)


class Printer:
    """Prints answers in one form."""

    def __init__(
        self, form: Form, style: Style, *, flows_alone: bool = False, quiet: bool = False
    ) -> None:
        self._form = form
        #: A table has no colours: they would be in its columns' way.
        self._style = style.plain() if form is Form.TABLE else style
        self._flows_alone = flows_alone
        self._quiet = quiet
        self._rows: list[Record] = []
        self._printed = 0

    def flow(self, response: observer_pb2.GetFlowsResponse) -> None:
        """Print an answer of GetFlows; one of a kind that is not known is left out."""
        match response.WhichOneof("response_types"):
            case "flow":
                if self._flows_alone and self._form is Form.JSON:
                    self._json(response.flow)
                else:
                    self.event(response, FLOWS)
            case "lost_events":
                self.event(response, LOST)
            case "node_status":
                self._node_status(response)

    def event(self, response: M, texts: Texts[M]) -> None:
        """Print one event, or keep it for the table."""
        match self._form:
            case Form.JSON:
                self._json(response)
            case Form.COMPACT:
                self._echo(texts.line(response, self._style))
            case Form.DICT:
                if self._printed:
                    click.echo(SEPARATOR)
                self._echo(render_record(texts.record(response, self._style)), nl=False)
            case Form.TABLE:
                self._rows.append(texts.record(response, self._style))
        self._printed += 1

    def finish(self) -> None:
        """Print what was kept."""
        if self._rows:
            click.echo(render_table(self._rows), nl=False)
        self._rows = []

    def _json(self, message: Message, *, err: bool = False) -> None:
        try:
            click.echo(message_line(message), err=err)
        except MessageJsonError as error:  # One of many: the others are wanted.
            click.echo(harmless(f"{error}: left out"), err=True)

    def _echo(self, text: str, *, nl: bool = True) -> None:
        click.echo(text, nl=nl, color=self._style.colours)

    def _node_status(self, response: observer_pb2.GetFlowsResponse) -> None:
        ordinary = event_text.is_ordinary(response.node_status)
        if self._quiet or (ordinary and not self._style.debug):
            return
        match self._form:
            case Form.JSON:
                self._json(response, err=True)
            case Form.DICT:
                text = render_record(_NODES.record(response, self._style.plain()))
                click.echo(text, nl=False, err=True)
            case _:
                click.echo(_NODES.line(response, self._style.plain()), err=True)
