"""What is said on the socket of the agent's monitor, before records begin.

A listener sends one line, the question; the agent answers with one line, and from then on with
records of `record_bytes` octets each, as bpf/abi.h has them (struct event). A record of kind
EVENT_LOST says how many there are fewer.
"""

from typing import Final

import msgspec

#: The socket, a file beside that of the agent's API.
SOCKET_NAME: Final = "monitor.sock"

#: Types of events, by Cilium's words.
EVENT_TYPES: Final = ("drop", "trace", "trace-sock")


class MonitorQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Which events are wanted; none named: all."""

    types: tuple[str, ...] = ()


class MonitorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How records are read, or why there are none."""

    error: str = ""
    node: str = ""
    record_bytes: int = 0
    #: What to add to a record's time for nanoseconds since 1970.
    epoch_offset_ns: int = 0
    #: What of the question the node's settings leave out.
    turned_off: tuple[str, ...] = ()
