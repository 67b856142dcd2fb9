"""Flags of `hubble observe` that are about flows, and not about which."""

import click

from ciliate.cli.hubble.setting import Setting


def flow_options() -> list[click.Parameter]:
    """Return the flags."""
    return [
        Setting("--numeric", "Print addresses, not names.", is_flag=True),
        Setting(
            "--ip-translation",
            "Print names of pods and services.  [default: true]",
            type=bool,
            is_flag=False,
            flag_value="true",
            default=True,
            metavar="[=false]",
        ),
        Setting(
            "--print-policy-names", "Print the policies that decided.", "policies", is_flag=True
        ),
        Setting(
            "--field-mask",
            "Of each flow only these fields; with -o json.",
            metavar="FIELD[,FIELD]",
            multiple=True,
        ),
        Setting(
            "--allowlist", "Flows that pass this filter, in JSON.", metavar="JSON", multiple=True
        ),
        Setting(
            "--denylist", "No flows that pass this filter, in JSON.", metavar="JSON", multiple=True
        ),
        click.Option(
            ["--print-raw-filters"],
            is_flag=True,
            help="Print the filters that the flags make, and ask nobody.",
        ),
        click.Option(
            ["--input-file"],
            metavar="FILE",
            type=click.Path(exists=True, dir_okay=False, allow_dash=True),
            help="Read flows from a file that -o json wrote; - is standard input.",
        ),
    ]
