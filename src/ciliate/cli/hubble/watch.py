"""`hubble watch`: what changes among flow servers. An agent tells; a relay asks it the same."""

import contextlib

import click

from ciliate.cli.hubble.connection import connect
from ciliate.cli.hubble.flow_type import enum_name
from ciliate.cli.hubble.target import Target, target_options
from ciliate.flows.harmless import harmless
from ciliate.flows.pb.peer import peer_pb2
from ciliate.flows.pb.peer.peer_pb2_grpc import PeerStub


@click.group("watch", hidden=True)
def command() -> None:
    """Watch what changes."""


@command.command("peers")
@target_options
def peers(target: Target) -> None:
    """Show the nodes with a flow server as an agent tells of them."""
    with contextlib.suppress(KeyboardInterrupt), connect(target) as server:
        stub = PeerStub(server.channel)
        for change in server.stream(stub.Notify, peer_pb2.NotifyRequest()):
            click.echo(peer_line(change))


def peer_line(change: peer_pb2.ChangeNotification) -> str:
    """Return one change as a line."""
    kind = enum_name(peer_pb2.ChangeNotificationType, change.type)
    name = change.tls.server_name
    tls = f" (TLS.ServerName: {harmless(name)})" if name else ""
    return f"{kind:<12} {harmless(change.address)} {harmless(change.name)}{tls}"
