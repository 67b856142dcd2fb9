"""`ciliate dbg explain`: what would happen to a packet of a pod of this node, and why."""

import click

from ciliate.cli.explain_service import service_here
from ciliate.cli.explanation import arguments, printed
from ciliate.cli.name_completion import complete_endpoints
from ciliate.cli.path.here import path_here
from ciliate.console.output import output_option


@click.group("explain")
def command() -> None:
    """Say what would happen to a packet, or who would answer, and why."""


command.add_command(service_here)
command.add_command(path_here)


@command.command("masquerade")
@arguments(complete_endpoints)
@output_option
def masquerade(pod: str, destination: str, source_port: int, output: str | None) -> None:
    """Say with which source address a packet of POD to DESTINATION leaves, and why.

    POD is of this node: NAMESPACE/NAME, or NAME in namespace default. DESTINATION is
    ADDRESS[:PORT][/PROTOCOL]: with a port TCP, without one a ping.

    \b
    Examples:
      cilium-dbg explain masquerade default/curl-pod 203.0.113.10:443/tcp
      cilium-dbg explain masquerade curl-pod [2001:db8::10]:53/udp -o json
    """  # noqa: D301 - click's mark for lines that stay as they are.
    from ciliate.cli.agent_client import AgentClient  # noqa: PLC0415 - http.client: 25 ms.
    from ciliate.cli.explanation import question_of  # noqa: PLC0415
    from ciliate.masquerade.explain.answer import Explanation  # noqa: PLC0415

    asked = question_of(pod, destination, source_port)
    found = AgentClient.from_environment().post("masquerade/explain", asked, Explanation)
    click.echo(printed(found, output), nl=False)
