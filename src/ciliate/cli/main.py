"""Where every process of the `ciliate` command begins and ends.

The program has several names. As `ciliate` it is everything; as `cilium`, `cilium-dbg` and `hubble`
it behaves as Cilium's commands of those names. Two of Cilium's commands are called `cilium`: a
user's, and in the agent's container `cilium-dbg`, which the user's runs there by that name. An error
that an operator can act on becomes one line on standard error and exit code 1; anything else is a bug
and shows its traceback.
"""

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import click

from ciliate.cli.agent_container import in_agent_container
from ciliate.cli.app import program
from ciliate.console.completion import answer, variable
from ciliate.errors import CiliateError
from ciliate.lab.paths import LAB_SHELL_COMMANDS

_INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it.

#: The names that mean something else than `ciliate`.
_NAMES: Final = frozenset({"cilium", "cilium-dbg", "hubble", *LAB_SHELL_COMMANDS})


def run(argv: Sequence[str], name: str = "ciliate") -> int:
    """Execute the words after the program's name and return the exit code."""
    asked = os.environ.get(variable(name), "")
    if asked.endswith("_complete"):
        _complete(asked, name)
        return 0
    return execute(program(name), argv, name)


def _complete(asked: str, name: str) -> None:
    """Offer words to a shell. What goes wrong meanwhile is nothing that somebody asked for."""
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        contextlib.redirect_stderr(nowhere),
        contextlib.suppress(Exception),
    ):
        click.echo(answer(asked, program(name), name))


def execute(command: click.Command, argv: Sequence[str], name: str) -> int:
    """Execute a command and return its exit code, with its errors printed."""
    try:
        result = command.main(list(argv), prog_name=name, standalone_mode=False)
    except CiliateError as error:
        _show_problem(str(error))
        return 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough (`| head`). What is still buffered must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    # Outside standalone mode click returns the code of `ctx.exit` as the result.
    return result if isinstance(result, int) else 0


def _show_problem(message: str) -> None:
    # click drops the colour where standard error is no terminal.
    click.secho(message, err=True, fg="red")


def command_name(called: str, environment: Mapping[str, str]) -> str:
    """Return which command a program called `called` is, in this environment."""
    name = os.path.basename(called)
    if name == "cilium" and in_agent_container(environment):
        return "cilium-dbg"
    return name if name in _NAMES else "ciliate"


def main() -> None:
    """Be the command by whose name the program was called."""
    sys.exit(run(sys.argv[1:], command_name(sys.argv[0], os.environ)))


if __name__ == "__main__":
    main()
