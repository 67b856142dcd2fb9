"""`ciliate lab ui`: serves the lab's page on this machine until Ctrl-C."""

import logging
from typing import Final

import click

from ciliate.cli.browser import open_browser_option, show_page
from ciliate.cli.cluster import run
from ciliate.errors import CiliateError
from ciliate.lab.choice import chosen_lab
from ciliate.lab.name_completion import complete_labs
from ciliate.lab.paths import LabPaths
from ciliate.lab.state import NAME_VARIABLE

_PORT: Final = 12000
_HERE: Final = "127.0.0.1"


class PortError(CiliateError):
    """The page's port cannot be had."""

    def __init__(self, port: int, problem: str) -> None:
        self.port = port
        super().__init__(f"--port {port}: {problem}: choose another one")


@click.command(
    "ui",
    epilog="\b\nExamples:\n  ciliate lab ui\n  ciliate lab ui --name lab --port 12001"
    " --open-browser=false",
)
@click.option(
    "--name",
    metavar="NAME",
    help=f"The lab; default: {NAME_VARIABLE}, or `lab`.",
    shell_complete=complete_labs,
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=_PORT,
    show_default=True,
    help="Of this machine's loopback address.",
)
@open_browser_option
def command(name: str | None, port: int, *, open_browser: bool) -> None:
    """Show a lab's flows and the lab itself in a browser, until Ctrl-C.

    Beside the map and the table of flows there are the machines with their links and pods, and a
    connection's way over them: each hop, with its addresses before and after a translation.
    """
    import contextlib  # noqa: PLC0415 - as for what follows: `ciliate lab --help` need not.

    logging.basicConfig(level=logging.WARNING, format="%(message)s")

    def ready() -> None:
        url = f"http://{_HERE}:{port}/"
        show_page(
            url,
            wanted=open_browser,
            opening=f'Opening "{url}" in your browser',
            available=f"The lab is shown at {url}",
        )

    from ciliate.cli.lab_ui.serving import serve_lab  # noqa: PLC0415 - likewise.

    paths: LabPaths = chosen_lab(name)
    with contextlib.suppress(KeyboardInterrupt):
        try:
            run(serve_lab(paths, f"{_HERE}:{port}", ready))
        except OSError as error:
            raise PortError(port, str(error.strerror or error)) from error
