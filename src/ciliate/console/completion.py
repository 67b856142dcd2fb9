"""Completion in the three shells: the script that each reads, and the words between it and click.

Click knows commands and options, and asks for names. What a shell adds is here: bash takes a word
apart at "=" and ":" and replaces the last piece alone, the others replace the whole word, and no
blank belongs behind what goes on ("mtu=", "kube-system/").
"""

import os
from typing import Any, Final

from click import Command
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    split_arg_string,
)

_BASH: Final = """\
%(complete_func)s() {
    local IFS=$'\\n' answer line
    COMPREPLY=()
    answer=$(COMP_LINE=$COMP_LINE COMP_POINT=$COMP_POINT %(complete_var)s=bash_complete "$1")
    for line in $answer; do
        case $line in
        dir,*) compopt -o dirnames ;;
        file,*) compopt -o default ;;
        plain,*)
            COMPREPLY+=("${line#plain,}")
            [[ $line == *[=/] ]] && compopt -o nospace
            ;;
        esac
    done
    return 0
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""

#: Where bash takes words apart (COMP_WORDBREAKS), of what our names and options hold.
_BREAKS: Final = "=:"

_ZSH_PLAIN: Final = "compadd -U -V unsorted -a completions"
_ZSH_OPEN: Final = """compadd -U -V unsorted -- ${completions:#*[=/]}
        compadd -U -V unsorted -S '' -- ${(M)completions:#*[=/]}"""


class _Whole(ShellComplete):
    """A shell whose word is `--node=k8s`: so is what is offered for it."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """Return what click offers, each as the whole word."""
        found = super().get_completions(args, incomplete)
        option, equals, _ = incomplete.partition("=")
        if not (equals and option.startswith("-")):
            return found
        return [
            item
            if item.value.startswith("-")
            else CompletionItem(f"{option}={item.value}", type=item.type, help=item.help)
            for item in found
        ]


class Bash(_Whole, BashComplete):
    """Bash: the line is read, not the pieces that it makes of words."""

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the cursor, and the one that it is in."""
        line = os.environ["COMP_LINE"][: int(os.environ["COMP_POINT"])]
        words = split_arg_string(line)
        if not words or line.endswith((" ", "\t")):
            words.append("")
        self._typed = words[-1]
        return words[1:-1], words[-1]

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Return the part of a word that bash replaces."""
        begin = 1 + max(self._typed.rfind(each) for each in _BREAKS)
        return f"{item.type},{item.value[begin:] if item.type == 'plain' else item.value}"


class Zsh(_Whole, ZshComplete):
    """Zsh."""

    source_template = ZshComplete.source_template.replace(_ZSH_PLAIN, _ZSH_OPEN)


class Fish(_Whole, FishComplete):
    """Fish, which itself leaves no blank behind "=" and "/"."""


_SHELLS: Final = {"bash": Bash, "zsh": Zsh, "fish": Fish}


def script(shell: str, command: Command, name: str) -> str:
    """Return what makes a shell complete the words of the program `name`."""
    return _SHELLS[shell](command, {}, name, variable(name)).source()


def variable(name: str) -> str:
    """Return the variable by which such a script asks the program `name`."""
    return f"_{name}_COMPLETE".replace("-", "_").upper()


def answer(asked: str, command: Command, name: str) -> str:
    """Return what a script that asks for `asked`, such as "bash_complete", is answered."""
    shell = _SHELLS[asked.removesuffix("_complete")]
    return shell(command, {}, name, variable(name)).complete()
