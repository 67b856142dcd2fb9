"""`hubble-ui serve`: the command line of the page's server."""

import asyncio
import logging
import os
import sys

import click

from ciliate.errors import CiliateError
from ciliate.system.descriptors import raise_limit
from ciliate.system.signalled import until_signalled


@click.group("hubble-ui")
def command() -> None:
    """The page of flows."""


@command.command("serve", epilog="\b\nExamples:\n  FLOWS_API_ADDR=localhost:4245 hubble-ui serve")
def serve() -> None:
    """Serve the page, until SIGTERM: its environment says where (docs/PAGE.md)."""
    # aiohttp and gRPC are slow to import: `ciliate --help` need not.
    from ciliate.flows.ui.serving import serve_page  # noqa: PLC0415 - see above
    from ciliate.flows.ui.settings import read_ui_settings  # noqa: PLC0415 - see above

    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    raise_limit()
    try:
        asyncio.run(until_signalled(serve_page(read_ui_settings(os.environ))))
    except (CiliateError, OSError) as error:
        click.echo(f"hubble-ui: {error}", err=True)
        sys.exit(1)
