"""`python -m benchmarks [QUESTION…]`: measures, prints a table a question, writes it and JSON.

Needs root, a machine that does nothing else, and some minutes a question. What it makes dies with
it: namespaces have no names (see `machine`), and a lab that a killed run left is taken down by the
next one.
"""

import importlib
import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import click
from benchmarks.options import Options
from benchmarks.programs import check_programs
from benchmarks.report import Answer, document, observe_setting, render
from benchmarks.service_objects import SERVICES_MAX
from benchmarks.simulated_pods import PODS_MAX

from ciliate.errors import CiliateError

#: In the order of a full run: the shortest first.
QUESTIONS: Final = (
    "lab_start",
    "agent_cost",
    "cni_latency",
    "cluster_dns",
    "flow_delay",
    "masquerade_rules",
    "silent_connections",
    "cluster_changes",
    "ipam_agent",
    "ipam_operator",
    "pod_to_pod",
    "node_routes",
    "tunnel",
    "pod_to_world",
    "services",
    "flow_events",
    "node_port",
    "rolling_update",
    "service_agent",
    "service_count",
)

_RESULTS: Final = Path(__file__).parents[1] / "build" / "bench"


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    """Turn SIGTERM into an ordinary end, so that every `finally` runs."""
    sys.exit(128 + number)


def _answer(name: str, options: Options) -> Answer:
    """Import the question `name`, and with it only what it needs, and measure it."""
    answer: Answer = importlib.import_module(f"benchmarks.{name}").measure(options)
    return answer


@click.command()
@click.argument("questions", nargs=-1, type=click.Choice(QUESTIONS), metavar="[QUESTION]...")
@click.option("--rounds", default=11, show_default=True, help="Samples a candidate.")
@click.option("--seconds", default=1, show_default=True, help="Length of a sample.")
@click.option(
    "--pods",
    default=15_000,
    show_default=True,
    type=click.IntRange(1000, PODS_MAX),
    help="Pods of other nodes, for cluster_changes.",
)
@click.option(
    "--services",
    default=10_000,
    show_default=True,
    type=click.IntRange(10, SERVICES_MAX),
    help="Services of 10 endpoints, for service_agent and service_count.",
)
@click.option("--without-ciliate", is_flag=True, help="Measure baseline and reference alone.")
@click.option(
    "--output",
    default=_RESULTS,
    show_default="build/bench",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where QUESTION.json and QUESTION.txt go.",
)
def main(
    questions: tuple[str, ...],
    *,
    rounds: int,
    seconds: int,
    pods: int,
    services: int,
    output: Path,
    without_ciliate: bool,
) -> None:
    """Measure every QUESTION (all of them by default), print tables and write JSON.

    Questions: lab_start, agent_cost, cni_latency, silent_connections, cluster_changes,
    ipam_agent, ipam_operator, pod_to_pod, tunnel, pod_to_world, services, node_port, rolling_update,
    service_agent, service_count.
    """
    if os.geteuid():
        raise click.ClickException("needs root: it makes network namespaces")
    # Behind the machine's own programs: where it has no kubectl, the one that set-up brought.
    os.environ["PATH"] += f":{sys.prefix}/bin"
    asked = questions or QUESTIONS
    try:
        check_programs(asked, ciliate=not without_ciliate)
    except CiliateError as error:
        raise click.ClickException(str(error)) from error
    signal.signal(signal.SIGTERM, _stop)
    options = Options(
        rounds=rounds,
        seconds=seconds,
        pods=pods,
        services=services,
        ciliate=not without_ciliate,
    )
    output.mkdir(parents=True, exist_ok=True)
    for name in asked:
        setting = observe_setting()
        try:
            answer = _answer(name, options)
        except CiliateError as error:
            raise click.ClickException(f"{name}: {error}") from error
        table = render(answer, setting)
        print(table, flush=True)
        text = json.dumps(document(answer, setting), indent=1)
        (output / f"{name}.json").write_text(text + "\n", encoding="utf-8")
        (output / f"{name}.txt").write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
