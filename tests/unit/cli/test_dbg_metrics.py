"""`cilium-dbg metrics list`: the table, and what it refuses."""

import pytest
from click.testing import CliRunner

from ciliate.api.agent import MetricSample
from ciliate.cli.dbg import command as dbg
from ciliate.cli.dbg_metrics import PatternError, command, render_samples


def test_labels_and_values_stand_in_columns() -> None:
    text = render_samples(
        [
            MetricSample(
                name="cilium_ipam_events_total",
                value=5,
                labels={"family": "ipv4", "action": "allocate"},
            ),
            MetricSample(name="cilium_process_open_fds", value=40),
        ]
    )

    assert text == (
        "Metric                     Labels                            Value\n"
        'cilium_ipam_events_total   action="allocate" family="ipv4"   5.000000\n'
        "cilium_process_open_fds                                      40.000000\n"
    )


def test_pattern_that_is_none_is_refused_before_the_agent_is_asked() -> None:
    result = CliRunner().invoke(command, ["list", "-p", "("])

    assert isinstance(result.exception, PatternError)
    assert "'(' is no regular expression" in str(result.exception)


@pytest.mark.parametrize("words", [["metrics", "--help"], ["metrics", "list", "--help"]])
def test_it_is_a_command_of_dbg(words: list[str]) -> None:
    result = CliRunner().invoke(dbg, words)

    assert result.exit_code == 0
    assert "etric" in result.output
