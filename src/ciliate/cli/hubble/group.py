"""`ciliate hubble`, which is `hubble`: flows of the cluster.

Each command is a module of its own, imported when it is used: gRPC is slow to import.
"""

from typing import Final

from ciliate.cli.lazy_group import ListedGroup
from ciliate.console.version_option import version_option

#: Command -> where its click command lives, and its line in the help; hidden without one.
_COMMANDS: Final = {
    "observe": ("ciliate.cli.hubble.observe:command", "Show flows, as they happen or happened."),
    "status": ("ciliate.cli.hubble.status:command", "Show whether the server is well."),
    "list": ("ciliate.cli.hubble.lists:command", "List nodes and namespaces."),
    "watch": ("ciliate.cli.hubble.watch:command", ""),
    "version": ("ciliate.cli.hubble.version:command", "Show this command's version."),
    "completion": ("ciliate.cli.app:completion", "Print a shell's completion script."),
}

command: Final = ListedGroup(
    "hubble",
    listed=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[version_option()],
    help="See flows: who talks to whom in the cluster, and what is dropped.",
    epilog="\b\nExamples:\n  hubble status\n  hubble observe -f\n"
    "  hubble observe --pod default/curl-pod --verdict DROPPED",
)
