"""`ciliate doctor`: what is measured to find a fault of the network below the cluster."""

from typing import Final

import click

from ciliate.cli.lazy_group import LazyGroup

#: Command -> where its click command lives.
_COMMANDS: Final = {"mtu": "ciliate.cli.doctor.mtu:command"}


@click.group("doctor", cls=LazyGroup, lazy=_COMMANDS)
def command() -> None:
    """Find faults of the network below the cluster."""
