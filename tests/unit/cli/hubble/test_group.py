"""`hubble` as a program: its commands, and what they cost."""

import subprocess
import sys
from pathlib import Path

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


def test_port_forward_is_asked_for_before_or_behind_a_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    for words in (["-P", "status"], ["status", "-P"], ["list", "nodes", "--port-forward"]):
        assert run(words, "hubble") == 1
        assert capsys.readouterr().err.startswith(f"kubeconfig {tmp_path}/nowhere: cannot read")


@pytest.mark.parametrize("name", ["port-forward", "ui", "enable", "disable"])
def test_commands_for_the_cluster_are_cilium_hubbles_and_hubbles(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, program in (
        (["hubble", name, "--help"], "cilium"),
        (["hubble", name, "--help"], "ciliate"),
        ([name, "--help"], "hubble"),
    ):
        assert run(words, program) == 0
        assert f"  cilium hubble {name}" in capsys.readouterr().out.partition("Examples:")[2]


@pytest.mark.parametrize(
    "command",
    [
        "observe",
        "status",
        "list nodes",
        "list namespaces",
        "config",
        "config view",
        "config get",
        "config set",
        "config reset",
    ],
)
def test_every_command_shows_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command.split(), "--help"], "hubble") == 0

    out = capsys.readouterr().out
    assert f"  hubble {command}" in out.partition("Examples:")[2]
    assert max(map(len, out.splitlines())) <= 100
