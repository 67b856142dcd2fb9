"""`--version` of every program of ours."""

import click

from ciliate import __version__


def version_option() -> click.Option:
    """Return the option; it prints the name that the program was called by, and its version."""

    def show(context: click.Context, parameter: click.Parameter, asked: object) -> None:
        del parameter
        if asked and not context.resilient_parsing:
            click.echo(f"{context.info_name} {__version__}")
            context.exit()

    return click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show this program's version; `version` asks further.",
    )
