"""`ciliate ipam plan`: its output, what it refuses, and its exit code."""

import json
from datetime import date
from ipaddress import ip_network

import pytest
from click.testing import CliRunner, Result

from ciliate.cli.ipam.group import command as group
from ciliate.cli.ipam.plan import DoesNotFitError, command, render_plan
from ciliate.cli.main import run
from ciliate.errors import SettingError
from ciliate.ipam.sizing import Mode, SizingRequest, plan


def _run(*words: str) -> Result:
    return CliRunner().invoke(command, ["--nodes", "100", "--pods-per-node", "110", *words])


def test_plan_that_fits_ends_well() -> None:
    result = _run("--pool", "10.0.0.0/16")

    assert result.exit_code == 0
    assert "256 nodes at most, 253 pods on each" in result.output
    assert result.output.endswith("\nIt fits.\n")
    assert "\x1b" not in result.output  # No terminal, no colours.


def test_plan_that_does_not_fit_is_printed_and_ends_with_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["ipam", "plan", "--nodes", "100", "--pods-per-node", "110", "--pool", "10.0.0.0/18"]

    code = run(words)

    printed = capsys.readouterr()
    assert code == 1
    assert "64 nodes at most" in printed.out
    assert printed.err == (
        "IPv4 with mask size 24 is enough for 64 nodes and 253 pods on each, not for 100 and 110:"
        " use mask size 25 (128 nodes, 125 pods on each)\n"
    )


def test_json_has_the_facts_and_the_exit_code_the_answer() -> None:
    result = _run("--pool", "10.0.0.0/18", "fd00::/104", "-o", "json")

    facts = json.loads(result.stdout)
    assert isinstance(result.exception, DoesNotFitError)
    assert facts["fits"] is False
    assert [family["family"] for family in facts["families"]] == ["ipv4", "ipv6"]
    assert facts["families"][0]["best"] == 25
    assert facts["families"][1]["chosen"]["nodesMax"] == 65_536


@pytest.mark.parametrize(
    "words",
    [
        ("--pool", "10.0.0.0/17", "--pool", "10.1.0.0/17"),
        ("--pool", "10.0.0.0/17", "10.1.0.0/17"),
        ("--pool", "10.0.0.0/17 10.1.0.0/17"),
        ("--pool", "10.0.0.0/17,10.1.0.0/17"),
    ],
)
def test_pools_are_listed_in_any_way(words: tuple[str, ...]) -> None:
    assert "256 nodes at most" in _run(*words).output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--pool", "10.0.0.1/16"), "--pool: '10.0.0.1/16' has host bits set: write 10.0.0.0/16"),
        (("--pool", "ten"), "--pool: 'ten' is no prefix"),
        (("--pool", "10.0.0.0"), "--pool: '10.0.0.0' has no prefix length"),
        (("--pool", "10.0.0.0/16", "--mask-size", "33"), "'33' is no mask size of these pools"),
        (("--pool", "10.0.0.0/16", "--mask-size", "0"), "'0' is no mask size"),
        (("--pool", "10.0.0.0/16", "--mask-size", "24,25"), "'25' is no mask size"),
        (("--pool", "10.0.0.0/16", "--growth", f"{'9' * 400}pods"), "is no number of pods"),
        (("--pool", "10.0.0.0/16", "--growth", "many"), "--growth: 'many' is no number of"),
        (("--pool", "10.0.0.0/16", "--node-cidr", "x/8"), "--node-cidr: 'x/8' is no prefix"),
        (
            ("--mode", "kubernetes", "--pool", "10.0.0.0/16", "10.1.0.0/16"),
            "are 2 IPv4 ranges, and Kubernetes has one cluster CIDR a family",
        ),
    ],
)
def test_wrong_words_are_reported_with_option_and_remedy(
    words: tuple[str, ...], message: str
) -> None:
    result = _run(*words)

    assert isinstance(result.exception, SettingError)
    assert message in str(result.exception)


def test_mask_sizes_find_their_family() -> None:
    both = _run("--pool", "10.0.0.0/16", "fd00::/104", "--mask-size", "118", "--mask-size", "/25")
    six = _run("--pool", "2000::/16", "--mask-size", "32")

    assert "mask size 25" in both.output
    assert "mask size 118" in both.output
    assert "mask size 32" in six.output


def test_growth_ends_in_a_date() -> None:
    wanted = SizingRequest(Mode.CLUSTER_POOL, 100, 110, growth_per_day=2.0)
    text = render_plan(plan(wanted, (ip_network("10.0.0.0/16"),), {4: 24}), date(2027, 1, 1))

    assert "full in 78 days (2027-03-20) at 2 nodes a day" in text


def test_growth_without_an_end_in_sight_has_no_date() -> None:
    assert "in more than 100 years" in _run("--pool", "10.0.0.0/8", "--growth", "1node").output


def test_overlap_is_the_answer() -> None:
    result = _run("--pool", "10.0.0.0/8", "--service-cidr", "10.96.0.0/12")

    assert isinstance(result.exception, DoesNotFitError)
    assert "It fits, but must not overlap." in result.output


def test_group_lists_its_commands_with_their_line() -> None:
    result = CliRunner().invoke(group, ["--help"])

    lines = {" ".join(line.split()) for line in result.output.splitlines()}
    assert "plan Tell whether nodes and pods fit into pools, and until when." in lines
