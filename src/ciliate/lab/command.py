"""`ciliate lab`: the commands for people; what they do is in the modules beside this one.

Each command finds its lab (`--name`, CILIATE_LAB, or this checkout's own), asks or changes it, and
prints. What is heavy is imported inside: `ciliate lab env` answers at once.
"""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import click

from ciliate.console.output import echo_list, output_forms, output_option, render
from ciliate.console.setting_names import offer_settings
from ciliate.lab.choice import chosen_lab
from ciliate.lab.name_completion import NODE, complete_labs, complete_place
from ciliate.lab.paths import LabPaths
from ciliate.lab.state import NAME_VARIABLE, Checkout, locked, read_state

F = TypeVar("F", bound=Callable[..., Any])

_NODES: Final = 2


def _name_option(function: F) -> F:
    return click.option(
        "--name",
        metavar="NAME",
        help=f"The lab; default: {NAME_VARIABLE}, or `lab`.",
        shell_complete=complete_labs,
    )(function)


def _values_options(function: F) -> F:
    """Passed on together, as `values`: the files' first, as for helm."""

    @functools.wraps(function)
    def with_values(
        *args: Any, files: tuple[Path, ...], values: tuple[str, ...], **more: Any
    ) -> Any:
        words = (word for file in files for word in _words_of(file))
        return function(*args, values=(*words, *values), **more)

    by_file = click.option(
        "-f",
        "--values",
        "files",
        metavar="FILE",
        multiple=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A values file of Cilium's chart. Repeatable.",
    )
    by_word = click.option(
        "--set",
        "values",
        metavar="KEY=VALUE",
        multiple=True,
        shell_complete=offer_settings,
        help="A Helm value of Cilium's chart, or a key of cilium-config. Repeatable.",
    )
    return cast("F", by_file(by_word(with_values)))


def _words_of(file: Path) -> list[str]:
    import yaml  # noqa: PLC0415 - for this option alone.

    from ciliate.config.helm import words_of_values  # noqa: PLC0415 - likewise.

    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file}: this is no YAML: {error}") from error
    if not isinstance(document or {}, dict):
        raise click.UsageError(f"{file}: a values file is a map of names, this is another thing")
    return list(words_of_values(document or {}))


def _examples(*lines: str) -> str:
    """An end of a help text, kept as it is (click's mark for that is a backspace)."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


@click.group(
    "lab",
    epilog=_examples(
        "ciliate lab up                            two nodes, a router, an internet",
        'eval "$(ciliate lab env)"                 kubectl and cilium reach it',
        "ciliate lab exec k8s-ctr -- ip -c route   any command, in any machine or pod",
        "ciliate lab down                          everything is gone",
    ),
)
def command() -> None:
    """Clusters out of network namespaces, on this machine."""


@command.command(
    "up",
    epilog=_examples(
        "ciliate lab up --nodes 5",
        "ciliate lab up --set ipam.mode=cluster-pool \\",
        "    --set 'ipam.operator.clusterPoolIPv4PodCIDRList={172.20.0.0/16}'",
    ),
)
@_name_option
@click.option("--nodes", type=click.IntRange(min=1), default=_NODES, show_default=True)
@_values_options
@click.option("--dual-stack", is_flag=True, help="IPv6 beside IPv4, for nodes and pods.")
@click.option(
    "--dns/--no-dns", default=True, help="With the cluster's name server, or for one of your own."
)
@click.option("--monitoring", is_flag=True, help="With Prometheus, on port 30001 of every node.")
@output_option
def up(
    name: str | None,
    nodes: int,
    values: tuple[str, ...],
    output: str | None,
    *,
    dual_stack: bool,
    dns: bool,
    monitoring: bool,
) -> None:
    """Start a lab, and wait until its nodes are ready. One that is up is left as it is.

    Interrupted (Ctrl-C, SIGTERM or SIGHUP) it clears away what it has made.
    """
    from ciliate.lab.summary import render_summary, summary_facts  # noqa: PLC0415 - start-up.
    from ciliate.lab.up import ensure_up  # noqa: PLC0415 - likewise.

    paths = chosen_lab(name)
    state = ensure_up(
        paths,
        nodes=nodes,
        values=values,
        dual_stack=dual_stack,
        dns=dns,
        monitoring=monitoring,
        quiet=output is not None,
    )
    if output is not None:
        click.echo(render(summary_facts(paths, state), output), nl=False)
    else:
        click.echo(render_summary(paths, state))


@command.command("status")
@_name_option
@output_forms("name")
def status(name: str | None, output: str | None) -> None:
    """Show a lab's machines and processes. Exit code 1 when it is not healthy."""
    import asyncio  # noqa: PLC0415 - start-up cost.

    from ciliate.lab.status import lab_status, render_status  # noqa: PLC0415 - likewise.

    paths = chosen_lab(name)
    found = asyncio.run(lab_status(paths, read_state(paths)))
    if output is not None:
        names = (machine.name for machine in found.machines)
        click.echo(render(found, output, names=names), nl=False)
    else:
        click.echo(render_status(found), nl=False)
    if not found.healthy:
        click.get_current_context().exit(1)


@command.command(
    "exec",
    context_settings={"ignore_unknown_options": True},
    epilog=_examples(
        "ciliate lab exec router -- tcpdump -ni eth1 icmp",
        "ciliate lab exec curl-pod -- curl -s http://203.0.113.10/",
        "ciliate lab exec k8s-w1 -- cilium-dbg status",
    ),
)
@_name_option
@click.argument(
    "words",
    metavar="MACHINE-or-POD CMD...",
    nargs=-1,
    required=True,
    type=click.UNPROCESSED,
    shell_complete=complete_place,
)
def execute(name: str | None, words: tuple[str, ...]) -> None:
    """Run a command in a machine or a pod; its exit code becomes this one's.

    A pod is POD, NAMESPACE/POD, po/NAME or deploy/NAME. The terminal is passed on: -it is not needed.
    """
    from ciliate.lab.entering import find_place, run_in, split_words  # noqa: PLC0415 - start-up.

    place, argv = split_words(words)
    if not argv:
        raise click.UsageError(f"no command for {place or 'it'}: give one, or use `lab shell`")
    paths = chosen_lab(name)
    run_in(paths.name, find_place(paths, read_state(paths), place), argv)


@command.command("shell")
@_name_option
@click.argument("place", metavar="[MACHINE]", default="k8s-ctr", shell_complete=complete_place)
def shell(name: str | None, place: str) -> None:
    """Open a shell in a machine or a pod (default: the control plane)."""
    from ciliate.lab.entering import find_place, run_in  # noqa: PLC0415 - start-up cost.

    paths = chosen_lab(name)
    found = find_place(paths, read_state(paths), place)
    run_in(paths.name, found, ["bash", "--norc", "-i"])


@command.command(
    "env",
    epilog=_examples(
        'eval "$(ciliate lab env)"           kubectl and cilium reach the lab',
        'eval "$(ciliate lab env-unset)"     and no longer',
    ),
)
@_name_option
@output_option
def env(name: str | None, output: str | None) -> None:
    """Print what makes a shell speak to a lab."""
    from ciliate.lab.environment import (  # noqa: PLC0415 - start-up cost.
        environment_variables,
        render_environment,
    )

    paths = chosen_lab(name)
    read_state(paths)  # No lab, no environment.
    if output is not None:
        click.echo(render(environment_variables(paths), output), nl=False)
    else:
        click.echo(render_environment(paths, os.environ.get("PATH", "")))


@command.command("env-unset", hidden=True)
def env_unset() -> None:
    """Print what undoes `lab env` in a shell."""
    from ciliate.lab.environment import render_unset  # noqa: PLC0415 - start-up cost.

    click.echo(render_unset(os.environ.get("PATH", "")))


@command.command(
    "upgrade",
    epilog=_examples(
        "ciliate lab upgrade --set ipam.mode=cluster-pool --set ipv4NativeRoutingCIDR=172.20.0.0/16",
    ),
)
@_name_option
@_values_options
@click.option("--force", is_flag=True, help="Write also what agents would refuse.")
def upgrade(name: str | None, values: tuple[str, ...], *, force: bool) -> None:
    """Change settings of a running lab, as `helm upgrade --reuse-values --set` does.

    Agents and operator read settings at their start: `ciliate lab restart agent` afterwards. What they
    would refuse to start with is not written, unless by --force.
    """
    from ciliate.lab.upgrade import upgrade as change  # noqa: PLC0415 - start-up cost.

    if not values:
        raise click.UsageError("nothing to change: give --set KEY=VALUE, or -f FILE")
    paths = chosen_lab(name)
    with locked(paths):
        for line in change(paths, read_state(paths), values, force=force):
            click.echo(line)


@command.command(
    "restart",
    epilog=_examples(
        "ciliate lab restart agent k8s-w1",
        "ciliate lab restart operator",
    ),
)
@_name_option
@click.argument("what", type=click.Choice(["agent", "operator", "apiserver", "kube"]))
@click.argument("node", required=False, type=NODE)
def restart(name: str | None, what: str, node: str | None) -> None:
    """Restart the agents (or NODE's), the operator, or a part of the control plane."""
    from ciliate.lab.restart import restart as do_restart  # noqa: PLC0415 - start-up cost.

    paths = chosen_lab(name)
    with locked(paths):
        for line in do_restart(paths, read_state(paths), what=what, node=node):
            click.echo(line)


@command.command("add-node")
@_name_option
def add_node(name: str | None) -> None:
    """Add a node to a running lab and wait until it is Ready."""
    from ciliate.lab.membership import add_node as add  # noqa: PLC0415 - start-up cost.

    paths = chosen_lab(name)
    with locked(paths):
        click.echo(f"{add(paths, read_state(paths))} added")


@command.command("remove-node")
@_name_option
@click.argument("node", type=NODE)
def remove_node(name: str | None, node: str) -> None:
    """Take a node out of a running lab, with everything on it."""
    from ciliate.lab.membership import remove_node as remove  # noqa: PLC0415 - start-up cost.

    paths = chosen_lab(name)
    with locked(paths):
        remove(paths, read_state(paths), node)
    click.echo(f"{node} removed")


@command.command("down")
@_name_option
@click.option("--all", "every", is_flag=True, help="Every lab on this machine.")
@click.option("--force", is_flag=True, help="Also a lab that another checkout has started.")
def down(name: str | None, *, every: bool, force: bool) -> None:
    """Remove a lab: processes, machines, files. Works in whatever state it was left."""
    from ciliate.lab.tear_down import left_behind, tear_down  # noqa: PLC0415 - start-up cost.

    labs = [LabPaths(found) for found in left_behind()] if every else [chosen_lab(name)]
    if not labs:
        click.echo("No labs found", err=True)
    for paths in labs:
        if not (force or every):
            Checkout.own().check_owns(paths.name)
        with locked(paths):
            found = tear_down(paths)
        click.echo(f"lab {paths.name}: {'removed' if found else 'was not there'}")


@command.command(
    "graph",
    epilog=_examples(
        "ciliate lab graph",
        "ciliate lab graph -o svg > lab.svg      for a browser",
    ),
)
@_name_option
@output_forms("svg")
def graph(name: str | None, output: str | None) -> None:
    """Draw a lab: machines, networks, addresses and pods, as they are now."""
    import asyncio  # noqa: PLC0415 - start-up cost.

    from ciliate.lab.picture import observe  # noqa: PLC0415 - likewise.
    from ciliate.lab.picture_svg import draw_svg  # noqa: PLC0415 - likewise.
    from ciliate.lab.picture_text import draw_text  # noqa: PLC0415 - likewise.

    paths = chosen_lab(name)
    picture = asyncio.run(observe(paths, read_state(paths)))
    if output is None:
        click.echo(draw_text(picture))
    elif output == "svg":
        click.echo(draw_svg(picture))
    else:
        click.echo(render(picture, output), nl=False)


@command.command("list")
@output_forms("name")
def list_labs(output: str | None) -> None:
    """List the labs of this machine, with nodes, state, age and the checkout they run."""
    from ciliate.lab.inventory import labs, render_labs  # noqa: PLC0415 - start-up cost.

    found = labs()
    if output is not None:
        click.echo(render(found, output, names=(lab.name for lab in found)), nl=False)
    else:
        echo_list(render_labs(found), count=len(found), what="labs")
