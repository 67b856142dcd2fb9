"""How lines look: what flags say about names, times and colours. Pure."""

from dataclasses import dataclass, replace
from enum import Enum

import click
from google.protobuf.timestamp_pb2 import Timestamp

from ciliate.cli.hubble.moment import DEFAULT_LAYOUT, render_moment


class Form(Enum):
    """A form of output, by the name of `-o`."""

    COMPACT = "compact"
    DICT = "dict"
    JSON = "json"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Style:
    """What the flags of one command say."""

    #: Pods and services by name, not by address.
    names: bool = True
    node: bool = False
    policies: bool = False
    layout: str = DEFAULT_LAYOUT
    colours: bool = False
    #: Also what happens all the time: a relay connected to a node.
    debug: bool = False

    def moment(self, moment: Timestamp | None) -> str:
        """Return a moment in the layout that was asked for."""
        return render_moment(moment, self.layout)

    def paint(self, text: str, colour: str) -> str:
        """Return `text` in a colour, where colours are wanted."""
        return click.style(text, fg=colour) if self.colours and text else text

    def plain(self) -> "Style":
        """Return the same without colours."""
        return replace(self, colours=False)
