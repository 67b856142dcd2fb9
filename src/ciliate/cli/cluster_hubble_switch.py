"""`cilium hubble enable` and `disable`: whether agents keep flows, and the parts that show them.

The settings are the ConfigMap's, and who reads them is restarted as by `cilium config set`. Relay and
page are objects of the cluster (`cluster_hubble_parts`).
"""

from collections.abc import Mapping
from typing import Final

import click

from ciliate.cli.cluster import cluster_client, kubeconfig_option, run
from ciliate.cli.config import change
from ciliate.cli.hubble.errors import HubbleError

_ENABLE: Final = "enable-hubble"
RELAY: Final = "relay"
UI: Final = "ui"
TITLES: Final = {RELAY: "Hubble Relay", UI: "Hubble UI"}

#: Where the relay asks each node.
_LISTEN: Final = "hubble-listen-address"
_LISTEN_ADDRESS: Final = ":4244"

_context: Final = click.option(
    "--context", default="", metavar="NAME", help="The kubeconfig's context to use."
)


class UiWithoutRelayError(HubbleError):
    """The page of flows was asked for without the relay that it asks."""

    def __init__(self) -> None:
        super().__init__("--ui: the page asks the relay: leave --relay=false away")


@click.command(
    "enable",
    epilog="\b\nExamples:\n  cilium hubble enable --ui\n  cilium hubble enable --relay=false",
)
@click.option(
    "--relay",
    type=bool,
    is_flag=False,
    flag_value="true",
    default=True,
    metavar="[=false]",
    help="Deploy the relay, which asks all nodes.  [default: true]",
)
@click.option("--ui", is_flag=True, help="Deploy the page of flows.")
@_context
@kubeconfig_option
def enable(context: str, kubeconfig: str, *, relay: bool, ui: bool) -> None:
    """Have agents keep flows and answer `hubble`, and deploy the relay.

    Agents are restarted if they did not; the datapath goes on meanwhile.
    """
    from ciliate.cli.cluster_hubble_parts import put  # noqa: PLC0415 - the API's client.
    from ciliate.cli.config_map import read  # noqa: PLC0415 - likewise.

    if ui and not relay:
        raise UiWithoutRelayError
    cluster = (kubeconfig, context)
    settings = run(read(cluster_client(*cluster)))
    if changes := missing(settings, relay=relay):
        change(cluster_client(*cluster), changes)
    else:
        click.echo(f"✅ Agents keep flows already ({_ENABLE})")
    for part in [name for name, wanted in ((RELAY, relay), (UI, ui)) if wanted]:
        if run(put(cluster_client(*cluster), part, {**settings, **changes})):
            click.echo(f"✨ Deploying {TITLES[part]}...")
        else:
            click.echo(f"✅ {TITLES[part]} is already deployed")
    click.echo("✅ Hubble was successfully enabled!")


def missing(settings: Mapping[str, str], *, relay: bool) -> dict[str, str]:
    """Return the settings that are needed and not there."""
    wanted = {} if settings.get(_ENABLE) == "true" else {_ENABLE: "true"}
    if relay and not settings.get(_LISTEN):
        wanted[_LISTEN] = _LISTEN_ADDRESS
    return wanted


@click.command("disable", epilog="\b\nExamples:\n  cilium hubble disable")
@_context
@kubeconfig_option
def disable(context: str, kubeconfig: str) -> None:
    """Have agents keep no flows any more, and take away relay and page.

    Agents are restarted if they did; the datapath goes on meanwhile.
    """
    from ciliate.cli.cluster_hubble_parts import PARTS, remove  # noqa: PLC0415 - the API's client.
    from ciliate.cli.config_map import read  # noqa: PLC0415 - likewise.

    cluster = (kubeconfig, context)
    settings = run(read(cluster_client(*cluster)))
    for part in reversed(list(PARTS)):
        if run(remove(cluster_client(*cluster), part, settings)):
            click.echo(f"🔥 Deleting {TITLES[part]}...")
    if settings.get(_ENABLE) == "true":
        change(cluster_client(*cluster), {_ENABLE: "false"})
    click.echo("✅ Hubble was successfully disabled.")
