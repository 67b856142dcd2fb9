"""`cli/trace/command.py`: what is refused before a cluster is asked."""

import pytest
from click.testing import CliRunner

from ciliate.cli.app import program
from ciliate.cli.trace.command import command
from ciliate.cli.trace.errors import DestinationError


def test_trace_is_a_command_of_ciliate_with_examples() -> None:
    printed = CliRunner().invoke(program(), ["trace", "--help"]).output

    assert "ciliate trace default/curl-pod webpod:80\n" in printed


def test_destination_is_read_before_anybody_is_asked() -> None:
    with pytest.raises(DestinationError):
        CliRunner().invoke(command, ["curl-pod", "a/b/c"], catch_exceptions=False)
