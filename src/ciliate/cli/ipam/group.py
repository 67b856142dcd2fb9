"""`ciliate ipam`: the addresses of a cluster, from the plan to the repair.

Each command is a module of its own, imported when it is used.
"""

from typing import Final

import click

from ciliate.cli.lazy_group import LazyGroup

#: Command -> where its click command lives.
_COMMANDS: Final = {
    "check": "ciliate.cli.ipam.check:command",
    "migrate": "ciliate.cli.ipam.migrate:command",
    "plan": "ciliate.cli.ipam.plan:command",
    "repair": "ciliate.cli.ipam.repair:command",
    "status": "ciliate.cli.ipam.status:command",
}


@click.group("ipam", cls=LazyGroup, lazy=_COMMANDS)
def command() -> None:
    """Plan, see and repair the addresses of the cluster."""
