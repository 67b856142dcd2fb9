"""What a relay tells its clients of the nodes themselves."""

from collections.abc import Iterable, Sequence
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.pb.relay import relay_pb2

Answer = observer_pb2.GetFlowsResponse

#: Names in one message; those of many nodes fail alike.
_NAMES_MAX: Final = 1000


def node_status(
    relay: str, state: relay_pb2.NodeState, names: Iterable[str], message: str = ""
) -> Answer:
    """Return what is told of nodes by these names."""
    now = Timestamp()
    now.GetCurrentTime()
    told = relay_pb2.NodeStatusEvent(
        state_change=state, node_names=sorted(names)[:_NAMES_MAX], message=message
    )
    return Answer(node_status=told, node_name=relay, time=now)


class NodeErrors:
    """Errors of nodes that are told soon: equal ones in one message."""

    def __init__(self, relay: str) -> None:
        self._relay = relay
        self._names: dict[str, set[str]] = {}

    def note(self, node: str, message: str) -> bool:
        """Note an error; whether it is the first that is to be told."""
        is_first = not self._names
        self._names.setdefault(message, set()).add(node)
        return is_first

    def take(self) -> Sequence[Answer]:
        """Return what is to be told, once."""
        told = [
            node_status(self._relay, relay_pb2.NODE_ERROR, names, message)
            for message, names in self._names.items()
        ]
        self._names.clear()
        return told
