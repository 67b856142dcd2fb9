"""`ciliate dbg service`: the Services that this node serves, frontend by frontend."""

from collections.abc import Sequence

import click

from ciliate.cli.lab_node import go_to_lab_node
from ciliate.console.output import echo_list, output_forms, output_option, render
from ciliate.console.table import align
from ciliate.errors import CiliateError
from ciliate.services.service_list import ServiceModel, frontend_text, service_lines


class FrontendMissingError(CiliateError):
    """No frontend has that number."""

    def __init__(self, *, number: int, present: int) -> None:
        self.number = number
        self.present = present
        super().__init__(
            f"no frontend {number} among the {present} of this node: `cilium-dbg service list`"
            " shows them in its first column"
        )


@click.group(
    "service",
    epilog="\b\nExamples:\n  cilium-dbg service list\n"
    "  cilium-dbg service get 5\n"
    "  cilium-dbg service list -o jsonpath='{[*].spec.frontend-address.ip}'",
)
def command() -> None:
    """Services, as this node serves them."""


def _services() -> list[ServiceModel]:
    from ciliate.cli.agent_client import AgentClient  # noqa: PLC0415 - http.client: 25 ms.

    return AgentClient.from_environment().get("service", list[ServiceModel])


def _complete_numbers(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[click.shell_completion.CompletionItem]:
    """Return the numbers that begin so, with what they are of."""
    try:
        go_to_lab_node()
        found = _services()
    except CiliateError:
        return []  # A shell that waits for names shows no error.
    return [
        click.shell_completion.CompletionItem(
            str(each.spec.id), help=frontend_text(each.spec.frontend_address)
        )
        for each in found
        if str(each.spec.id).startswith(incomplete)
    ]


@click.command("list")
@output_forms("name")
def service_list(output: str | None) -> None:
    """List frontends with their backends: who answers at an address and port.

    Backends that are terminating get new connections only where none is active. What ends in /i is
    for callers inside the cluster, where they have other backends than those outside.
    """
    _show(_services(), output)


@command.command("get")
@click.argument("number", metavar="ID", type=int, shell_complete=_complete_numbers)
@output_option
def service_get(number: int, output: str | None) -> None:
    """Show the frontend with the number ID."""
    services = _services()
    found = [each for each in services if each.spec.id == number]
    if not found:
        raise FrontendMissingError(number=number, present=len(services))
    _show(found, output)


def _show(services: Sequence[ServiceModel], output: str | None) -> None:
    if output is not None:
        names = (str(each.spec.id) for each in services)
        click.echo(render(services, output, names=names), nl=False)
        return
    text = align(service_lines(services), width_min=5, padding=3)
    echo_list(text, count=len(services), what="services")


command.add_command(service_list)
command.add_command(service_list, name="ls")
