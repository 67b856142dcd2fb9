"""One flow log: where it is, which flows it wants, and how much of it is kept. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from ciliate.config.hubble_export_settings import AGENT_LOG
from ciliate.flows.pb.flow import flow_pb2
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.server.flow_request import FlowRequest, read_request

MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How large a file grows, and what becomes of it then."""

    size_bytes: int = 10 * MIB
    backups: int = 5
    compress: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowLog:
    """A flow log that can be written; two that are equal are one."""

    name: str  # Empty: the one that settings name.
    path: str  # AGENT_LOG in place of a file.
    fields: tuple[str, ...] = ()  # Of a flow; empty: all.
    allowed: Sequence[flow_pb2.FlowFilter] = ()
    denied: Sequence[flow_pb2.FlowFilter] = ()
    end_ns: int | None = None  # Nanoseconds since 1970: later flows are not written.
    keeping: Keeping = Keeping()

    @property
    def shown(self) -> str:
        """What people call it."""
        return f"flow log {self.name!r}" if self.name else f"the flow log {self.path}"

    @property
    def is_file(self) -> bool:
        """Whether it has a file of its own."""
        return self.path != AGENT_LOG

    def request(self) -> FlowRequest:
        """Return what it asks of a store.

        Raises:
            CiliateError: A filter or the mask cannot be used.
        """
        until = None
        if self.end_ns is not None:
            seconds, nanos = divmod(self.end_ns, 10**9)
            until = Timestamp(seconds=seconds, nanos=nanos)
        return read_request(
            observer_pb2.GetFlowsRequest(
                whitelist=self.allowed,
                blacklist=self.denied,
                field_mask=FieldMask(paths=self.fields),
                until=until,
                follow=True,
            )
        )
