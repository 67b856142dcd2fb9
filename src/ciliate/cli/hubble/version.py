"""`hubble version`: this command's version, without asking anybody."""

import platform

import click

from ciliate import CILIUM_API_VERSION, __version__


@click.command("version")
def command() -> None:
    """Show this command's version; `hubble status -o dict` shows the server's."""
    system = f"{platform.system().lower()}/{platform.machine()}"
    click.echo(
        f"hubble: v{__version__} (API of Cilium {CILIUM_API_VERSION}) "
        f"on python {platform.python_version()} {system}"
    )
