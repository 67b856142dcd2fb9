"""The tree of commands, and the names under which parts of it are called.

Subcommands are named by dotted path and imported when they are used: `ciliate lab status` pays for
nothing of the agent's.
"""

from collections.abc import Mapping
from typing import Final

import click

from ciliate.cli.lazy_group import ListedGroup
from ciliate.cli.name_completion import NAME_COMPLETIONS
from ciliate.console.completion import script
from ciliate.console.installation import installation_options
from ciliate.console.version_option import version_option
from ciliate.lab.paths import LAB_SHELL_COMMANDS

#: Command -> where its click command lives, and its line in the help.
_COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "lab": (
        "ciliate.cli.lab_group:command",
        "Clusters out of network namespaces, on this machine.",
    ),
    "status": ("ciliate.cli.status:command", "The state of the network in the cluster."),
    "config": ("ciliate.cli.config:command", "View and change the ConfigMap cilium-config."),
    "bgp": ("ciliate.cli.bgp:command", "The nodes' sessions with routers, and their routes."),
    "ipam": (
        "ciliate.cli.ipam.group:command",
        "Plan, see and repair the addresses of the cluster.",
    ),
    "explain": (
        "ciliate.cli.explain:command",
        "Say what would happen to a packet of a pod, and why.",
    ),
    "trace": ("ciliate.cli.trace.command:command", "One packet's whole way through the cluster."),
    "doctor": (
        "ciliate.cli.doctor.group:command",
        "Find faults of the network below the cluster.",
    ),
    "masquerade": (
        "ciliate.cli.masquerade:command",
        "The ports that masqueraded connections hold.",
    ),
    "hubble": ("ciliate.cli.hubble.group:command", "Flows of the cluster: who talks to whom."),
    "dbg": ("ciliate.cli.dbg:command", "What the agent on this node knows and does."),
    "agent": ("ciliate.agent.command:command", "Run the agent of a node."),
    "operator": ("ciliate.operator.command:command", "Run the cluster's operator."),
    "hubble-relay": ("ciliate.flows.relay.command:command", ""),
    "hubble-ui": ("ciliate.flows.ui.command:command", ""),
    "apiserver": ("ciliate.apiserver.command:command", "Run the embedded API server."),
    "version": (
        "ciliate.cli.version:command",
        "Show the versions of this command and of the cluster.",
    ),
    "completion": ("ciliate.cli.app:completion", "Print a shell's completion script."),
}

#: What `cilium` shows of it; `cilium-dbg` is `ciliate dbg`, and `hubble` is `ciliate hubble`. What Cilium
#: has in `cilium hubble`, and not in `hubble`, is in both of ours.
_CILIUM: Final[Mapping[str, tuple[str, str]]] = {
    **{name: _COMMANDS[name] for name in ("status", "bgp", "config")},
    "hubble": ("ciliate.cli.cluster_hubble:command", "Reach Hubble, and turn it on and off."),
    **{name: _COMMANDS[name] for name in ("version", "completion")},
}

_SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Program(ListedGroup):
    """The root: lists its commands without importing them."""

    def __init__(self, name: str, listed: Mapping[str, tuple[str, str]]) -> None:
        super().__init__(
            name,
            listed=listed,
            context_settings=_SETTINGS,
            help="A pod network for Kubernetes, and a lab to try it in.",
            params=[*installation_options(offers=NAME_COMPLETIONS), version_option()],
        )


def program(name: str = "ciliate") -> click.Command:
    """Return the command that is called by this name."""
    if name == "cilium-dbg":
        from ciliate.cli.dbg import command  # noqa: PLC0415 - for this name alone.

        return command
    if name == "hubble":
        from ciliate.cli.hubble.group import command as hubble  # noqa: PLC0415 - likewise.

        return hubble
    if name in LAB_SHELL_COMMANDS:
        from ciliate.lab import ssh  # noqa: PLC0415 - likewise.

        return ssh.ssh if name == "ssh" else ssh.sshpass
    return Program(name, _CILIUM if name == "cilium" else _COMMANDS)


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that makes SHELL complete this program's commands, options and names.

    \b
    In a shell, or in the file that it reads at its start:
      bash   source <(ciliate completion bash)
      zsh    source <(ciliate completion zsh)     behind compinit
      fish   ciliate completion fish | source

    `cilium`, `cilium-dbg` and `hubble` have scripts of their own.
    """  # noqa: D301 - click's mark for lines that stay as they are.
    root = ctx.find_root()
    click.echo(script(shell, root.command, root.info_name or "ciliate"))
