"""`hubble` as a program: its commands, and what they cost."""

import subprocess
import sys

import pytest

from ciliate import __version__
from ciliate.cli.main import run


@pytest.mark.parametrize(
    ("words", "name"),
    [(["--help"], "hubble"), (["hubble", "--help"], "ciliate"), (["lab", "--help"], "ciliate")],
)
def test_help_does_not_import_what_speaks_to_servers(words: list[str], name: str) -> None:
    program = (
        "import sys; from ciliate.cli.main import run\n"
        f"run({words!r}, {name!r})\n"
        "print('heavy:', sorted({'grpc', 'google.protobuf', 're2'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.endswith("heavy: []\n")


def test_hidden_commands_are_there_and_not_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"], "hubble") == 0
    assert "watch" not in capsys.readouterr().out
    assert run(["watch", "--help"], "hubble") == 0


def test_version_is_ours(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["version"], "hubble") == 0
    assert capsys.readouterr().out.startswith(f"hubble: v{__version__} (API of Cilium ")


def test_completion_script_is_for_the_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "bash"], "hubble") == 0
    assert "_HUBBLE_COMPLETE=bash_complete" in capsys.readouterr().out


def test_port_forward_is_refused_and_not_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "-P"], "hubble") == 1
    assert "--port-forward is not there yet" in capsys.readouterr().err
    assert run(["status", "--help"], "hubble") == 0
    assert "port-forward" not in capsys.readouterr().out


@pytest.mark.parametrize("command", ["observe", "status", "list nodes", "list namespaces"])
def test_every_command_shows_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command.split(), "--help"], "hubble") == 0

    out = capsys.readouterr().out
    assert f"  hubble {command}" in out.partition("Examples:")[2]
    assert max(map(len, out.splitlines())) <= 100
