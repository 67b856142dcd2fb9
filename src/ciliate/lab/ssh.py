"""`ssh` and `sshpass` in a lab's shell: `ssh vagrant@k8s-w1 ip -c route` runs it on that machine.

No machine of a lab has an SSH server. On the PATH of `lab env` stand two commands of these names that
know the lab's machines by name and address, and become the machine's programs of those names for any
other host. Options are read to find the host, and mean nothing for a lab's machine.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import click

from ciliate.lab.choice import own_lab
from ciliate.lab.errors import LabError
from ciliate.lab.paths import ROOT
from ciliate.lab.state import LabState, MachineState, read_state

#: Options of ssh(1) with a value, and of sshpass(1).
_SSH_VALUES: Final = frozenset("BbcDEeFIiJLlmOoPpQRSWw")
_SSHPASS_VALUES: Final = frozenset("pfdPC")


class NoSuchProgramError(LabError):
    """The host is none of the lab, and this machine has no program of the name."""

    def __init__(self, *, name: str, machines: Sequence[str]) -> None:
        self.name = name
        super().__init__(
            f"the host is no machine of this lab ({', '.join(machines)}), and there is no {name} on "
            "this machine to reach another one"
        )


@dataclass(frozen=True, slots=True)
class Call:
    """What `ssh` was told: where to go, and what to run there (nothing: a shell)."""

    host: str
    command: tuple[str, ...]


def read_ssh(words: Sequence[str]) -> Call:
    """Return the call of `ssh [OPTIONS] [USER@]HOST [COMMAND...]`."""
    rest = _behind_options(words, _SSH_VALUES)
    if not rest:
        return Call("", ())
    host = rest[0].removeprefix("ssh://").rpartition("@")[2]
    command = _behind_options(rest[1:], _SSH_VALUES)  # Options may also follow the host.
    return Call(host, tuple(command))


def read_sshpass(words: Sequence[str]) -> list[str]:
    """Return the command of `sshpass [OPTIONS] COMMAND...`."""
    return _behind_options(words, _SSHPASS_VALUES)


def _behind_options(words: Sequence[str], with_value: frozenset[str]) -> list[str]:
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        # `-4o Name=x` and `-oName=x`: the value follows the letter, or is the next word.
        for place, letter in enumerate(word[1:], start=2):
            if letter in with_value:
                if place == len(word) and rest:
                    rest.pop(0)
                break
    return rest


def find_machine(state: LabState, host: str) -> MachineState | None:
    """Return the lab's machine of that name or address."""
    return next((m for m in state.machines if host == m.name or host in m.node_ips), None)


@click.command("ssh", context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def ssh(words: tuple[str, ...]) -> None:
    """Run a command on a machine of the lab, or be this machine's ssh."""
    _run("ssh", words, read_ssh(words))


@click.command("sshpass", context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def sshpass(words: tuple[str, ...]) -> None:
    """Leave the password out on the way to a machine of the lab, or be this machine's sshpass."""
    command = read_sshpass(words)
    is_ssh = bool(command) and os.path.basename(command[0]) == "ssh"
    _run("sshpass", words, read_ssh(command[1:]) if is_ssh else Call("", ()))


def _run(name: str, words: Sequence[str], call: Call) -> NoReturn:
    from ciliate.lab.entering import find_place, run_in  # noqa: PLC0415 - start-up cost.

    paths = own_lab()
    state = read_state(paths)
    machine = find_machine(state, call.host)
    if machine is None:
        _be_the_real(name, words, state)
    # As a remote login shell gets it: one line, read once more by a shell.
    line = " ".join(call.command)
    argv = ["bash", "-c", line] if line else ["bash", "--norc", "-i"]
    run_in(paths.name, find_place(paths, state, machine.name), argv)


def _be_the_real(name: str, words: Sequence[str], state: LabState) -> NoReturn:
    folders = os.environ.get("PATH", "").split(os.pathsep)
    elsewhere = [folder for folder in folders if not Path(folder).is_relative_to(ROOT)]
    found = shutil.which(name, path=os.pathsep.join(elsewhere))
    if found is None:
        raise NoSuchProgramError(name=name, machines=[machine.name for machine in state.machines])
    os.execv(found, [name, *words])  # noqa: S606 - it is what the user typed.
