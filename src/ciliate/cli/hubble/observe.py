"""`hubble observe`: flows as they happen or happened, and what else a flow server tells of."""

import contextlib
import os
from collections.abc import Generator, Iterable, Sequence
from typing import Any, Final

import click

from ciliate.cli.hubble import printer
from ciliate.cli.hubble.connection import connect
from ciliate.cli.hubble.errors import FlagConflictError
from ciliate.cli.hubble.filter_options import (
    FilterCommand,
    FilterGroup,
    filter_options,
    filter_uses,
)
from ciliate.cli.hubble.flow_file import read_flows
from ciliate.cli.hubble.flow_filters import flow_filters
from ciliate.cli.hubble.flow_options import flow_options
from ciliate.cli.hubble.printer import Printer
from ciliate.cli.hubble.raw_filters import read_filters, render_filters
from ciliate.cli.hubble.requests import events_request, flows_request
from ciliate.cli.hubble.selection import NUMBER
from ciliate.cli.hubble.stream_options import (
    look_options,
    read_stream,
    selection_options,
)
from ciliate.cli.hubble.style import Form
from ciliate.cli.hubble.target import Target, target_options
from ciliate.flows.pb.observer import observer_pb2
from ciliate.flows.pb.observer.observer_pb2_grpc import ObserverStub
from ciliate.flows.printed_fields import PRINTED

#: Cilium's command of old wrote flows without what is around them, and still does when it is told so.
_COMPATIBILITY: Final = "HUBBLE_COMPAT"
_FLOWS_ALONE: Final = "legacy-json-output"


def _params(*further: click.Parameter) -> list[click.Parameter]:
    return [*selection_options(), *look_options(), *further]


def observe_flows(target: Target, flags: dict[str, Any]) -> None:
    """Print flows."""
    filters = flow_filters(
        filter_uses(),
        allowed=read_filters("allowlist", flags["allowlist"]),
        denied=read_filters("denylist", flags["denylist"]),
    )
    path = flags["input_file"]
    # A file is finite: all of it.
    stream = read_stream(flags, debug=target.debug, default=0 if path else NUMBER)
    mask = _mask(flags["field_mask"], stream.form)
    if flags["print_raw_filters"]:
        click.echo(render_filters(filters), nl=False)
        return
    shown = Printer(
        stream.form,
        stream.style,
        flows_alone=os.environ.get(_COMPATIBILITY) == _FLOWS_ALONE,
        quiet=stream.quiet,
    )
    if path:
        answers = read_flows(path, stream.selection, filters)
    else:
        answers = _asked(target, flows_request(stream.selection, filters, fields=mask))
    with contextlib.suppress(KeyboardInterrupt), contextlib.closing(answers):
        for answer in answers:
            shown.flow(answer)
    shown.finish()


def _mask(given: Iterable[str], form: Form) -> Sequence[str]:
    """Return the fields to ask for; none means all."""
    fields = [word for text in given for word in text.replace(",", " ").split()]
    if form is Form.JSON:
        return fields
    if fields:
        raise FlagConflictError("field-mask", "output", "only -o json prints some fields alone")
    return PRINTED


def _asked(
    target: Target, request: observer_pb2.GetFlowsRequest
) -> Generator[observer_pb2.GetFlowsResponse]:
    with connect(target) as server:
        yield from server.stream(ObserverStub(server.channel).GetFlows, request)


@click.command(
    "observe",
    cls=FilterGroup,
    invoke_without_command=True,
    params=_params(*flow_options(), *filter_options()),
    epilog="\b\nExamples:\n  hubble observe -f\n"
    "  hubble observe --namespace default --last 100\n"
    "  hubble observe --pod default/curl-pod --protocol tcp --verdict DROPPED\n"
    "  hubble observe --from-pod curl-pod --to-service webpod --since 5m\n"
    "  hubble observe --not --namespace kube-system -t drop -o json\n"
    "  hubble observe --input-file flows.json --to-port 80",
)
@target_options
def command(target: Target, **flags: Any) -> None:
    """Show flows: packets, translations at sockets, verdicts of policies.

    Without a flag that says how many the newest 20 are shown. Flags that choose flows may be given
    several times, and then mean either; different ones all have to hold.
    """
    if click.get_current_context().invoked_subcommand is None:
        observe_flows(target, flags)


@command.command("flows", cls=FilterCommand, params=_params(*flow_options(), *filter_options()))
@target_options
def flows(target: Target, **flags: Any) -> None:
    """Show flows, as `hubble observe` does."""
    observe_flows(target, flags)


@command.command("agent-events", params=_params())
@target_options
def agent_events(target: Target, **flags: Any) -> None:
    """Show what agents tell of themselves: endpoints, policies, addresses."""
    stream = read_stream(flags, debug=target.debug)
    request = events_request(observer_pb2.GetAgentEventsRequest, stream.selection)
    shown = Printer(stream.form, stream.style)
    with contextlib.suppress(KeyboardInterrupt), connect(target) as server:
        for answer in server.stream(ObserverStub(server.channel).GetAgentEvents, request):
            shown.event(answer, printer.AGENT_EVENTS)
    shown.finish()


@command.command("debug-events", params=_params())
@target_options
def debug_events(target: Target, **flags: Any) -> None:
    """Show debug messages of the datapath."""
    stream = read_stream(flags, debug=target.debug)
    request = events_request(observer_pb2.GetDebugEventsRequest, stream.selection)
    shown = Printer(stream.form, stream.style)
    with contextlib.suppress(KeyboardInterrupt), connect(target) as server:
        for answer in server.stream(ObserverStub(server.channel).GetDebugEvents, request):
            shown.event(answer, printer.DEBUG_EVENTS)
    shown.finish()
