"""`hubble list`: the nodes and namespaces that a server knows."""

import click

from ciliate.cli.hubble.connection import connect
from ciliate.cli.hubble.node_list import render_namespaces, render_nodes, sorted_nodes
from ciliate.cli.hubble.stream_options import LIST_FORMS, form_option
from ciliate.cli.hubble.target import Target, target_options
from ciliate.flows.message_json import message_array
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.pb.observer.observer_pb2_grpc import ObserverStub


@click.group("list")
def command() -> None:
    """List what the server knows."""


@command.command(
    "nodes",
    params=[form_option(LIST_FORMS)],
    epilog="\b\nExamples:\n  hubble list nodes\n  hubble list nodes -o wide",
)
@target_options
def nodes(target: Target, output: str) -> None:
    """List the nodes with a flow server, as the relay knows them."""
    with connect(target) as server:
        asked = observer_pb2.GetNodesRequest()
        answer = server.ask(ObserverStub(server.channel).GetNodes, asked)
    found = sorted_nodes(answer.nodes)
    if output == "json":
        click.echo(message_array(found))
    else:
        click.echo(render_nodes(found, wide=output == "wide"), nl=False)


@command.command(
    "namespaces",
    params=[form_option(LIST_FORMS)],
    epilog="\b\nExamples:\n  hubble list namespaces\n  hubble list namespaces -o json",
)
@target_options
def namespaces(target: Target, output: str) -> None:
    """List the namespaces that flows of the last hour came from or went to."""
    with connect(target) as server:
        asked = observer_pb2.GetNamespacesRequest()
        answer = server.ask(ObserverStub(server.channel).GetNamespaces, asked)
    if output == "json":
        click.echo(message_array(answer.namespaces))
    else:
        click.echo(render_namespaces(answer.namespaces, wide=output == "wide"), nl=False)
