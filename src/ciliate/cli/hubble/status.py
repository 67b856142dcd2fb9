"""`hubble status`: whether a server answers, and how much it keeps."""

from typing import Final

import click
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from ciliate.cli.hubble.connection import Server, connect
from ciliate.cli.hubble.errors import CallFailedError, HubbleError
from ciliate.cli.hubble.record_text import render_record, render_table
from ciliate.cli.hubble.server_status import status_lines, status_record, status_row
from ciliate.cli.hubble.stream_options import FORMS, form_option
from ciliate.cli.hubble.style import Form
from ciliate.cli.hubble.target import Target, target_options
from ciliate.flows.message_json import message_line
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.pb.observer.observer_pb2_grpc import ObserverStub

#: By this name servers say whether they are well. It is not that of the service.
_SERVICE: Final = "hubble.server.Observer"

_SERVING: Final = health_pb2.HealthCheckResponse.SERVING


class StatusFailedError(HubbleError):
    """A server does not tell how it is."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"failed getting status: {problem}")


class NotHealthyError(HubbleError):
    """A server says that it is not well."""

    def __init__(self) -> None:
        super().__init__("not healthy")


@click.command(
    "status",
    params=[form_option()],
    epilog="\b\nExamples:\n  hubble status\n  hubble status -o json\n"
    "  hubble status --server unix:///var/run/cilium/hubble.sock",
)
@target_options
def command(target: Target, output: str) -> None:
    """Show whether the server is well, and how many flows it keeps. Exit code 1 when it is not."""
    form = FORMS[output]
    with connect(target) as server:
        try:
            health, status = _asked(server, form)
        except CallFailedError as error:
            raise StatusFailedError(str(error)) from error
    if status is not None:
        click.echo(_text(status, form), nl=False)
    if health != _SERVING:
        raise NotHealthyError


def _asked(server: Server, form: Form) -> tuple[int, observer_pb2.ServerStatusResponse | None]:
    """Return what the server says; of one that is not well, how it is alone."""
    question = health_pb2.HealthCheckRequest(service=_SERVICE)
    health = server.ask(HealthStub(server.channel).Check, question).status
    well = health == _SERVING
    if form is Form.COMPACT:
        name = health_pb2.HealthCheckResponse.ServingStatus.Name(health)
        said = "Ok" if well else f"Unavailable: {name}"
        click.echo(f"Healthcheck (via {server.address}): {said}")
    if not well:
        return health, None
    stub = ObserverStub(server.channel)
    return health, server.ask(stub.ServerStatus, observer_pb2.ServerStatusRequest())


def _text(status: observer_pb2.ServerStatusResponse, form: Form) -> str:
    match form:
        case Form.JSON:
            return message_line(status) + "\n"
        case Form.DICT:
            return render_record(status_record(status))
        case Form.TABLE:
            return render_table([status_row(status)])
        case Form.COMPACT:
            return status_lines(status)
