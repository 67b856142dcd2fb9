"""The program as a whole: its names, its exit codes, what it imports."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from ciliate import __version__
from ciliate.cli.app import program
from ciliate.cli.main import command_name, execute, run
from ciliate.errors import CiliateError

BIN = Path(sys.prefix) / "bin"


def test_error_is_one_line_and_exit_code_one(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command("fail")
    def fail() -> None:
        raise CiliateError("pool 10.244.0.0/24 is full: delete a pod")

    assert execute(fail, [], "fail") == 1
    assert capsys.readouterr().err == "pool 10.244.0.0/24 is full: delete a pod\n"


def test_bug_is_not_dressed_up_as_an_error() -> None:
    @click.command("fail")
    def fail() -> None:
        raise AssertionError("a bug")

    with pytest.raises(AssertionError, match="a bug"):
        execute(fail, [], "fail")


def test_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["nonsense"]) == 2
    assert "No such command 'nonsense'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "commands", "others"),
    [
        ("ciliate", {"lab", "agent", "dbg", "status"}, set()),
        ("cilium", {"status", "config"}, {"lab", "agent", "dbg"}),
        ("cilium-dbg", {"endpoint", "bpf", "status"}, {"lab", "agent", "dbg"}),
        ("hubble", {"observe", "status", "list"}, {"lab", "agent", "dbg"}),
    ],
)
def test_program_behaves_as_the_command_of_its_name(
    name: str, commands: set[str], others: set[str]
) -> None:
    root = program(name)
    assert isinstance(root, click.Group)

    found = set(root.list_commands(click.Context(root)))

    assert commands <= found
    assert not others & found


@pytest.mark.parametrize(
    ("called", "environment", "name"),
    [
        ("/usr/bin/cilium", {"K8S_NODE_NAME": "w1", "CILIUM_K8S_NAMESPACE": "net"}, "cilium-dbg"),
        ("cilium", {}, "cilium"),
        ("cilium", {"CILIUM_K8S_NAMESPACE": "net"}, "cilium"),
        ("cilium-dbg", {}, "cilium-dbg"),
        ("/usr/local/bin/hubble", {}, "hubble"),
        ("ciliate", {"K8S_NODE_NAME": "w1", "CILIUM_K8S_NAMESPACE": "net"}, "ciliate"),
        ("/src/main.py", {}, "ciliate"),
    ],
)
def test_cilium_is_the_agents_command_in_the_agents_container_alone(
    called: str, environment: dict[str, str], name: str
) -> None:
    assert command_name(called, environment) == name


@pytest.mark.parametrize("words", [["--help"], ["lab", "--help"], ["lab", "env", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    program_text = (
        "import sys; from ciliate.cli.main import run\n"
        f"run({words!r})\n"
        "heavy = {'aiohttp', 'numpy', 'rich', 'cryptography', 'grpc', 'yaml', 'asyncio'} & set(sys.modules)\n"
        "print('heavy:', sorted(heavy))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program_text], capture_output=True, text=True, check=True
    )

    assert done.stdout.endswith("heavy: []\n")


def test_completion_offers_commands_without_importing_them() -> None:
    environment = {
        "COMP_LINE": "ciliate la",
        "COMP_POINT": "10",
        "_CILIATE_COMPLETE": "bash_complete",
    }

    done = subprocess.run(
        [BIN / "ciliate"], capture_output=True, text=True, check=True, env=environment
    )

    assert done.stdout == "plain,lab\n"


def test_reader_that_leaves_early_is_no_error() -> None:
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {BIN / 'ciliate'} --help | head -n 1"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.startswith("Usage: ciliate")
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["ciliate", "cilium", "cilium-dbg", "hubble"])
def test_every_program_says_its_version(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"], name) == 0
    assert capsys.readouterr().out == f"{name} {__version__}\n"
