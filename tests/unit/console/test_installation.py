"""Which installation a command speaks of."""

from collections.abc import Mapping

import click
import pytest
from click.testing import CliRunner

from ciliate.cli.app import program
from ciliate.config.installation import Installation
from ciliate.console.installation import installation, installation_options, with_installation

#: Commands that ask a cluster, below the root.
COMMANDS = (
    ("status",),
    ("version",),
    ("config", "view"),
    ("config", "get"),
    ("config", "set"),
    ("config", "delete"),
    ("ipam", "status"),
    ("ipam", "check"),
    ("ipam", "repair"),
    ("ipam", "migrate"),
)


@click.group(params=installation_options())
def root() -> None:
    """A program with one command."""


@root.command("show")
@with_installation()
def show() -> None:
    """Print what the command was given."""
    names = installation()
    click.echo(f"{names.namespace} {names.config_map} {names.agent_pod_selector}")


def said(*words: str, env: Mapping[str, str] | None = None) -> str:
    return CliRunner().invoke(root, words, env=env).output


@pytest.mark.parametrize(
    "words",
    [
        ("show", "-n", "net"),
        ("show", "--namespace", "net"),
        ("show", "--k8s-namespace=net"),
        ("-n", "net", "show"),
        ("--k8s-namespace", "net", "show"),
        ("--namespace", "other", "show", "--namespace", "net"),
    ],
)
def test_namespace_is_one_thing_by_whichever_name(words: tuple[str, ...]) -> None:
    assert said(*words) == "net cilium-config k8s-app=cilium\n"


def test_namespace_of_the_environment_gives_way_to_the_flag() -> None:
    environment = {"CILIUM_K8S_NAMESPACE": "net", "CILIUM_CONFIG_MAP": "settings"}

    assert said("show", env=environment) == "net settings k8s-app=cilium\n"
    assert said("-n", "flag", "show", env=environment).startswith("flag settings")


def test_without_a_word_the_names_are_ciliums() -> None:
    assert said("show") == "kube-system cilium-config k8s-app=cilium\n"
    assert installation() == Installation()


def test_selector_of_another_form_is_refused() -> None:
    assert "write KEY=VALUE" in said("show", "--agent-pod-selector", "a in (b)")


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_of_a_cluster_takes_the_names(path: tuple[str, ...]) -> None:
    command: click.Command = program()
    for word in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found

    names = {name for each in command.params for name in each.opts}
    assert {"-n", "--namespace", "--k8s-namespace", "--config-map"} <= names


@pytest.mark.parametrize(
    ("flag", "field"),
    [
        ("--cilium-pod-labels", "agent_pod_selector"),
        ("--agent-pod-selector", "agent_pod_selector"),
        ("--lease", "operator_lease"),
        ("--operator-lease", "operator_lease"),
    ],
)
def test_name_with_two_flags_is_one_thing(flag: str, field: str) -> None:
    @click.command()
    @with_installation()
    def shown() -> None:
        click.echo(getattr(installation(), field))

    assert CliRunner().invoke(shown, [flag, "a=b"]).output == "a=b\n"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("agent", {"namespace", "config_map", "agent_daemonset_name", "agent_pod_selector"}),
        ("operator", {"namespace", "config_map", "agent_pod_selector", "operator_lease"}),
        ("status", {"namespace"}),
    ],
)
def test_help_of_each_has_the_names_that_it_is_for(name: str, shown: set[str]) -> None:
    group = program()
    assert isinstance(group, click.Group)
    command = group.get_command(click.Context(group), name)
    assert command is not None
    names = {each.name for each in installation_options()}

    options = [each for each in command.params if isinstance(each, click.Option)]

    assert {each.name for each in options if each.name in names and not each.hidden} == shown


@pytest.mark.parametrize("name", ["agent", "operator"])
def test_processes_take_both_names_of_the_namespace(name: str) -> None:
    group = program()
    assert isinstance(group, click.Group)
    command = group.get_command(click.Context(group), name)
    assert command is not None

    names = {name for each in command.params for name in each.opts}
    assert {"--namespace", "--k8s-namespace", "--config-map"} <= names
