"""Exit code 2 for what keeps a command from an answer: 1 says that it has found something."""

from typing import Any, Final

import click

from ciliate.errors import CiliateError

EXIT_TROUBLE: Final = 2


class TroubleError(click.ClickException):
    """An error of ours, in its words, with the exit code of a usage error."""

    exit_code = EXIT_TROUBLE

    def show(self, file: Any = None) -> None:
        """Print the message alone, as of other commands."""
        click.secho(self.format_message(), file=file, err=True, fg="red")


class TroubleCommand(click.Command):
    """A command whose errors are no findings."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the words."""
        try:
            return super().make_context(*args, **kwargs)
        except CiliateError as error:
            raise TroubleError(str(error)) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except CiliateError as error:
            raise TroubleError(str(error)) from error
