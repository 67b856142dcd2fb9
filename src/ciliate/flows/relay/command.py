"""`hubble-relay serve`: the command line of a relay's process."""

import asyncio
import logging
import os
import sys
from pathlib import Path

import click

from ciliate.errors import CiliateError
from ciliate.system.descriptors import raise_limit
from ciliate.system.signalled import until_signalled


@click.group("hubble-relay")
def command() -> None:
    """Flows of all nodes in one place."""


@command.command("serve", epilog="\b\nExamples:\n  hubble-relay serve --config config.yaml")
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    envvar="HUBBLE_RELAY_CONFIG",
    default="/etc/hubble-relay/config.yaml",
    show_default=True,
    help="Keys in YAML: docs/FLOWS.md lists them.",
)
def serve(file: Path) -> None:
    """Answer for all nodes, until SIGTERM."""
    # gRPC is slow to import: `ciliate --help` need not.
    from ciliate.flows.relay.process import run_relay  # noqa: PLC0415 - see above
    from ciliate.flows.relay.settings import read_relay_settings  # noqa: PLC0415 - see above

    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    raise_limit()
    try:
        settings = read_relay_settings(file)
        asyncio.run(until_signalled(run_relay(settings, name=os.uname().nodename)))
    except CiliateError as error:
        click.echo(f"hubble-relay: {error}", err=True)
        sys.exit(1)
