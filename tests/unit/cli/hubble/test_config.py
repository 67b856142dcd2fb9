"""`hubble config`, and what commands make of the file."""

import stat
from pathlib import Path

import click
import pytest
import yaml
from tests.unit.cli.hubble.running_server import Answers, running

from ciliate.cli.hubble import settings
from ciliate.cli.hubble.group import HubbleGroup, command
from ciliate.cli.hubble.setting import Setting
from ciliate.cli.main import run

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for key in settings.known():
        monkeypatch.delenv(f"HUBBLE_{key.replace('-', '_').upper()}", raising=False)
    monkeypatch.delenv("HUBBLE_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "hubble" / "config.yaml"


def hubble(*words: str) -> int:
    return run(words, "hubble")


def test_what_is_set_is_there_for_its_owner_alone(file: Path, capsys: Output) -> None:
    assert hubble("config", "set", "basic-auth-password", "secret") == 0
    assert hubble("config", "get", "basic-auth-password") == 0

    assert capsys.readouterr().out == "secret\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_values_are_written_as_ciliums_command_reads_them(file: Path) -> None:
    for key, value in {
        "tls": "true",
        "timeout": "10s",
        "port-forward-port": "14245",
        "tls-ca-cert-files": "a.crt,b.crt",
        "allowlist": '{"source_pod":["default/a"]}',
    }.items():
        assert hubble("config", "set", key, value) == 0

    assert yaml.safe_load(file.read_text()) == {
        "tls": True,
        "timeout": "10s",
        "port-forward-port": 14245,
        "tls-ca-cert-files": ["a.crt", "b.crt"],
        "allowlist": ['{"source_pod":["default/a"]}'],
    }


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["tmeout", "10s"], "no key is called tmeout (did you mean timeout?)"),
        (["timeout", "10"], "timeout cannot be '10': is no duration"),
        (["tls", "maybe"], "tls cannot be 'maybe': write true or false"),
        (["color", "red"], "color cannot be 'red': 'red' is not one of"),
        (["port-forward-port", "70000"], "port-forward-port cannot be '70000': "),
        (["tls-client-key-file", "/nowhere"], "File '/nowhere' does not exist"),
    ],
)
def test_what_a_flag_does_not_take_is_refused_and_not_written(
    words: list[str], problem: str, file: Path, capsys: Output
) -> None:
    assert hubble("config", "set", *words) == 1

    assert problem in capsys.readouterr().err
    assert not file.exists()


def test_view_is_yaml_and_says_where_values_come_from(
    file: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    hubble("config", "set", "timeout", "10s")
    hubble("config", "set", "basic-auth-password", "secret")
    monkeypatch.setenv("HUBBLE_TLS", "true")

    assert hubble("config", "view") == 0

    out = capsys.readouterr().out
    shown = yaml.safe_load(out)
    assert list(shown) == sorted(settings.known())
    assert (shown["timeout"], shown["tls"], shown["debug"]) == ("10s", True, False)
    assert (shown["port-forward-port"], shown["request-timeout"]) == (4245, "12s")
    lines = out.splitlines()
    assert lines[0] == f"# {file}"
    assert {"timeout: 10s  # file", "tls: true  # HUBBLE_TLS"} < set(lines)
    assert "secret" not in out


def test_reset_takes_out_one_key_or_all(file: Path, capsys: Output) -> None:
    hubble("config", "set", "timeout", "10s")
    hubble("config", "set", "tls", "true")

    assert hubble("config", "reset", "tls") == 0
    assert yaml.safe_load(file.read_text()) == {"timeout": "10s"}
    assert hubble("config", "set", "timeout") == 0
    assert file.read_text() == ""
    assert hubble("config", "reset", "tmeout") == 1
    assert "did you mean timeout?" in capsys.readouterr().err


def test_file_that_is_broken_is_told_and_can_be_begun_anew(file: Path, capsys: Output) -> None:
    file.parent.mkdir(parents=True)
    file.write_text("timeout: 3s\n: : :\n")

    assert hubble("status") == 1
    told = capsys.readouterr().err
    assert told.startswith(f"{file}: not YAML, line 2: ")
    assert told.count("\n") == 1
    assert hubble("config", "reset") == 0
    assert file.read_text() == ""


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("- a\n", "no settings: write a line KEY: VALUE"),
        ("tmeout: 3s\n", "no key is called tmeout (did you mean timeout?)"),
        ("timeout: soon\n", "timeout cannot be 'soon': is no duration"),
        ("timeout:\n", "timeout cannot be None: it has no value"),
    ],
)
def test_file_with_something_else_is_refused(
    content: str, problem: str, file: Path, capsys: Output
) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(content)

    assert hubble("status") == 1
    assert f"{file}: {problem}" in capsys.readouterr().err
    assert hubble("version") == 0  # It asks nobody, and needs no setting.


def test_flag_wins_over_variable_over_file_over_default(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def healthy(*words: str) -> bool:
        code = hubble("status", "--timeout", "0.2s", *words)
        return code == 0 and "Ok" in capsys.readouterr().out

    nobody = f"unix://{tmp_path}/nobody.sock"
    with running(Answers(), tmp_path) as address:
        hubble("config", "set", "server", address)
        assert healthy()
        monkeypatch.setenv("HUBBLE_SERVER", nobody)
        assert not healthy()
        assert healthy("--server", address)


def test_flag_turns_off_what_the_file_turns_on(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(Answers(), tmp_path) as address:
        monkeypatch.setenv("HUBBLE_SERVER", address)
        hubble("config", "set", "port-forward", "true")
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))

        assert hubble("status") == 1
        assert "cannot read" in capsys.readouterr().err
        assert hubble("status", "--port-forward=false") == 0


def test_command_that_knows_no_such_form_keeps_its_own(tmp_path: Path, capsys: Output) -> None:
    with running(Answers(), tmp_path) as address:
        hubble("config", "set", "output", "dict")

        assert hubble("list", "namespaces", "--server", address) == 0
        assert hubble("status", "--server", address) == 0

    assert "NUM FLOWS: 0" in capsys.readouterr().out


def test_another_file_is_named_by_flag_or_variable(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.yaml"
    assert hubble("status", "--config", str(other)) == 1
    assert f"{other}: there is no such file" in capsys.readouterr().err

    assert hubble("--config", str(other), "config", "set", "timeout", "1m") == 0
    monkeypatch.setenv("HUBBLE_CONFIG", str(other))
    assert hubble("config", "get", "timeout") == 0
    assert capsys.readouterr().out == "1m\n"


def test_file_of_old_is_found_in_the_home_folder(tmp_path: Path, capsys: Output) -> None:
    old = tmp_path / "home" / ".hubble" / "config.yaml"
    old.parent.mkdir(parents=True)
    old.write_text("timeout: 7s\n")

    assert hubble("config", "get", "timeout") == 0
    assert capsys.readouterr().out == "7s\n"


def test_linked_file_stays_a_link(file: Path, tmp_path: Path) -> None:
    file.parent.mkdir(parents=True)
    file.symlink_to(tmp_path / "dotfiles.yaml")

    assert hubble("config", "set", "timeout", "7s") == 0

    assert file.is_symlink()
    assert (tmp_path / "dotfiles.yaml").read_text() == "timeout: 7s\n"


def test_every_flag_with_a_variable_is_a_key() -> None:
    def options(group: HubbleGroup) -> list[click.Option]:
        names = [name for name in group.list_commands(click.Context(group)) if name != "config"]
        found = [group.get_command(click.Context(group), name) for name in (*names, "watch")]
        return [each for one in found if one is not None for each in params(one)]

    def params(one: click.Command) -> list[click.Option]:
        below = one.commands.values() if isinstance(one, click.Group) else ()
        return [p for p in one.params if isinstance(p, click.Option)] + [
            p for each in below for p in params(each)
        ]

    variables = {
        each.opts[-1].removeprefix("--"): isinstance(each, Setting)
        for each in options(command)
        if str(each.envvar or "").startswith("HUBBLE_")
    }

    assert all(variables.values())
    assert set(settings.known()) == {
        each.key for each in options(command) if isinstance(each, Setting)
    }


def test_keys_and_values_are_offered_to_a_shell() -> None:
    from ciliate.cli.hubble.config import offer_keys, offer_values  # noqa: PLC0415

    context = click.Context(click.Command("set"))
    context.params["key"] = "color"

    assert "timeout" in [each.value for each in offer_keys(context, command.params[0], "ti")]
    assert [each.value for each in offer_values(context, command.params[0], "a")] == [
        "auto",
        "always",
    ]
