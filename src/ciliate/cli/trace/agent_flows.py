"""Flows of all nodes: `hubble observe` in each agent's container, by exec, a line a flow.

So no port has to be reachable, and whoever may exec into the agents' pods sees flows.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec
from google.protobuf import json_format

from ciliate.api.core import NODES, Pod
from ciliate.cli.cluster_agents import agent_pods
from ciliate.cli.trace.sought import Sought, flow_filters
from ciliate.console.installation import installation
from ciliate.errors import CiliateError
from ciliate.flows.message_json import message_line
from ciliate.flows.pb.observer import observer_pb2
from ciliate.kube.client import ApiClient

#: Of more nodes only those are asked where the two ends are.
_NODES_MAX: Final = 100
#: One flow's line; more is no flow.
_LINE_BYTES_MAX: Final = 1024 * 1024
#: Says that it has begun by an empty line, and follows from that moment by the node's own clock: what
#: happens while the command starts is told then.
_FOLLOW: Final = 'now=$(date -u +%Y-%m-%dT%H:%M:%SZ); echo; exec timeout "$0" hubble observe -f --since "$now" "$@"'
_LOOK: Final = 'echo; exec timeout "$0" hubble observe --all "$@"'


@dataclass(frozen=True, slots=True)
class Told:
    """An answer of a node."""

    response: observer_pb2.GetFlowsResponse


@dataclass(frozen=True, slots=True)
class Silent:
    """A node that tells nothing, or no more."""

    node: str
    problem: str


@dataclass(frozen=True, slots=True)
class Ready:
    """All nodes have begun, or will not: what happens from now on is told."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A node has told all that it was asked for."""


Item = Told | Silent | Ready | Ended
Put = Callable[[Item], None]


@dataclass(frozen=True, slots=True)
class AgentFlows:
    """The agents of a cluster."""

    client: ApiClient
    socket: str
    sought: Sought
    follows: bool
    #: The commands in the pods end by themselves after so long: nobody else might end them.
    ends_after_s: int

    async def tell(self, put: Put) -> None:
        """Give what the nodes tell, until all have ended.

        Raises:
            KubeError: The API server itself refuses or does not answer.
        """
        pods = await agent_pods(self.client)
        nodes = {node.metadata.name for node in (await self.client.list(NODES)).items}
        if len(nodes) > _NODES_MAX:
            nodes &= {self.sought.node, *self.sought.nodes.values()}
        left = set(nodes)

        def begun(node: str) -> None:
            if node in left:
                left.remove(node)
                if not left:
                    put(Ready())

        async with asyncio.TaskGroup() as tasks:
            for node in sorted(nodes):
                tasks.create_task(self._node(node, pods, put, partial(begun, node)))

    async def _node(
        self, node: str, pods: Mapping[str, Pod], put: Put, begun: Callable[[], None]
    ) -> None:
        if node not in pods:
            problem = "its agent has no pod to ask: on the node, `hubble observe` shows its flows"
            put(Silent(node, problem))
            begun()
            return
        try:
            async with aclosing(self._lines(pods[node])) as lines:
                async for line in lines:
                    begun()
                    if line.strip():
                        put(Told(_response(line)))
            put(Ended())
        except (CiliateError, json_format.ParseError, msgspec.MsgspecError) as error:
            put(Silent(node, str(error)))
        finally:
            begun()

    async def _lines(self, pod: Pod) -> AsyncGenerator[bytes]:
        pieces = self.client.printed_pieces(
            pod.metadata.name,
            self._words(),
            namespace=pod.metadata.namespace,
            container=installation().agent_container_name,
        )
        rest = b""
        async with aclosing(pieces):
            async for piece in pieces:
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    yield line
                if len(rest) > _LINE_BYTES_MAX:
                    raise msgspec.DecodeError(f"a line of more than {_LINE_BYTES_MAX} octets")

    def _words(self) -> tuple[str, ...]:
        filters = (message_line(each) for each in flow_filters(self.sought))
        return (
            *("sh", "-c", _FOLLOW if self.follows else _LOOK, str(self.ends_after_s)),
            *("--server", f"unix://{self.socket}", "-o", "json"),
            *(word for each in filters for word in ("--allowlist", each)),
        )


def _response(line: bytes) -> observer_pb2.GetFlowsResponse:
    value: Any = msgspec.json.decode(line)
    found = observer_pb2.GetFlowsResponse()
    json_format.ParseDict(value, found, ignore_unknown_fields=True)
    return found
