"""`console/output.py`: one option `-o` for every command."""

from collections.abc import Iterator

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from ciliate.cli.app import program
from ciliate.console.output import OutputFormatError, echo_list, output_forms, render

FACTS = [{"name": "k8s-ctr", "cidrs": ["10.244.0.0/24"]}, {"name": "k8s-w1", "cidrs": []}]


@click.command()
@output_forms("name")
@click.argument("count", default=2)
def show(output: str | None, count: int) -> None:
    """A list."""
    click.echo("asked", err=True)
    found = FACTS[:count]
    if output is not None:
        click.echo(render(found, output, names=(str(each["name"]) for each in found)), nl=False)
    else:
        echo_list("NAME\nk8s-ctr\n", count=len(found), what="nodes")


def said(*words: str) -> Result:
    return CliRunner().invoke(show, words)


@pytest.mark.parametrize("words", [("-o", "json"), ("-o=json",), ("--output=json",), ("-ojson",)])
def test_form_may_be_written_as_for_kubectl(words: tuple[str, ...]) -> None:
    assert said(*words).stdout.startswith("[\n  {")


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("name", "k8s-ctr\nk8s-w1\n"),
        ("jsonpath={[*].name}", "k8s-ctr k8s-w1"),
        ("yaml", "- name: k8s-ctr\n  cidrs:\n  - 10.244.0.0/24\n- name: k8s-w1\n  cidrs: []\n"),
        ("text", "NAME\nk8s-ctr\n"),
    ],
)
def test_each_form_shows_the_same_facts(form: str, text: str) -> None:
    assert said("-o", form).stdout == text


@pytest.mark.parametrize("form", ["jso", "wide", "svg", "jsonpath=", "jsonpath", "JSON"])
def test_form_that_a_command_does_not_have_is_refused_before_it_asks(form: str) -> None:
    done = said("-o", form)

    assert isinstance(done.exception, OutputFormatError)
    assert "use name, json, yaml or 'jsonpath={.field[0].name}'" in str(done.exception)
    assert "asked" not in done.output


def test_nearest_form_is_told() -> None:
    assert "did you mean json?" in str(said("-o", "jsno").exception)


def test_empty_list_is_a_word_on_standard_error_and_empty_for_programs() -> None:
    assert said("0").stdout == ""
    assert said("0").stderr == "asked\nNo nodes found\n"
    assert said("-o", "json", "0").stdout == "[]\n"
    assert said("-o", "name", "0").stdout == ""


def test_shell_is_offered_the_forms() -> None:
    offered = ShellComplete(show, {}, "show", "_SHOW").get_completions(["-o"], "")

    assert [each.value for each in offered] == ["name", "json", "yaml", "jsonpath=", "text"]


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command below, with that command's forms of `-o` behind them."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from leaves(below, (*path, name))
    for option in command.params:
        if "-o" in option.opts:
            assert isinstance(option, click.Option)
            assert option.metavar is not None
            yield (*path, option.metavar)


#: `hubble` has the forms of Cilium's command.
@pytest.mark.parametrize("name", ["ciliate", "cilium-dbg"])
def test_every_command_with_the_option_has_the_forms_of_all(name: str) -> None:
    found = {words[:-1]: words[-1] for words in leaves(program(name)) if words[0] != "hubble"}

    assert len(found) > 20
    assert {
        words for words, forms in found.items() if not forms.endswith("json|yaml|jsonpath=…")
    } == set()
