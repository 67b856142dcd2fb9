"""Which lab a command means, and the word about it where somebody could have meant another."""

import os

import click

from ciliate.lab.paths import LabPaths
from ciliate.lab.state import NAME_VARIABLE, Checkout, lab_names


def own_lab(option: str | None = None) -> LabPaths:
    """Return the files of the lab an option names, CILIATE_LAB, or nobody: then this checkout's.

    Raises:
        LabNameError: It cannot be a name.
    """
    return LabPaths.of(Checkout.own().lab_name(option, os.environ))


def chosen_lab(option: str | None = None) -> LabPaths:
    """Return `own_lab`; one that nobody named is told on standard error when there are others.

    Raises:
        LabNameError: It cannot be a name.
        NotRootError: This user may not see which labs there are.
    """
    paths = own_lab(option)
    if option is None and NAME_VARIABLE not in os.environ:
        others = [name for name in lab_names() if name != paths.name]
        if others:
            click.echo(
                f"lab {paths.name}; others are {', '.join(others)}: choose by {NAME_VARIABLE}=NAME "
                "or `ciliate lab ... --name NAME`",
                err=True,
            )
    return paths
