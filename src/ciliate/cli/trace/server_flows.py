"""Flows of one gRPC server: a relay, which has all nodes', or one node's own."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from ciliate.cli.hubble.connection import Server, connect
from ciliate.cli.hubble.target import Target
from ciliate.cli.trace.agent_flows import Ended, Put, Ready, Told
from ciliate.cli.trace.sought import Sought, flow_filters
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.pb.observer.observer_pb2_grpc import ObserverStub

F = TypeVar("F", bound=Callable[..., Any])

#: As many as any server keeps.
_ALL = 1 << 20


@dataclass(frozen=True, slots=True)
class ServerFlows:
    """A server."""

    target: Target
    sought: Sought
    follows: bool

    async def tell(self, put: Put) -> None:
        """Give what it tells, until it ends.

        Raises:
            HubbleError: It does not answer, or refuses.
        """
        loop = asyncio.get_running_loop()
        request = observer_pb2.GetFlowsRequest(
            follow=self.follows,
            number=0 if self.follows else _ALL,
            whitelist=flow_filters(self.sought),
        )

        def pump(server: Server) -> None:
            stub = ObserverStub(server.channel)
            for response in server.stream(stub.GetFlows, request):
                if loop.is_closed():
                    return
                loop.call_soon_threadsafe(put, Told(response))

        with connect(self.target) as server:
            put(Ready())
            # Who leaves closes the channel, and that ends the call in its thread.
            await asyncio.to_thread(pump, server)
            put(Ended())


def read_target(server: str, options: dict[str, Any]) -> Target:
    """Return the server that the options describe."""
    files = (options.pop("tls_ca_cert_files") or "").split(",")
    return Target(
        server=server.removeprefix("tls://"),
        tls=options.pop("tls") or server.startswith("tls://"),
        tls_ca_cert_files=tuple(filter(None, (each.strip() for each in files))),
        **options,
    )


def server_options(function: F) -> F:
    """Give a command `--server` and how TLS is spoken with it, as `hubble` has them."""
    file = click.Path(exists=True, dir_okay=False)
    for option in reversed(
        (
            click.option(
                "--server",
                default="",
                metavar="ADDRESS",
                help="Ask this flow server, such as a relay's port, and not the agents.",
            ),
            click.option("--tls", is_flag=True, help="Speak TLS with it."),
            click.option(
                "--tls-allow-insecure", is_flag=True, help="Whoever signed its certificate."
            ),
            click.option(
                "--tls-ca-cert-files", metavar="FILE[,FILE]", help="Who signs certificates: PEM."
            ),
            click.option("--tls-client-cert-file", type=file, help="Our certificate, in PEM."),
            click.option("--tls-client-key-file", type=file, help="Its key, in PEM."),
            click.option(
                "--tls-server-name", metavar="NAME", help="The name in the server's certificate."
            ),
        )
    ):
        function = option(function)
    return function
