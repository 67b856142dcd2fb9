"""`ciliate doctor mtu` as a command: what it says before it asks anybody."""

from pathlib import Path

import pytest

from ciliate.cli.main import run


def test_wrong_words_end_with_two_and_not_with_the_code_of_a_finding(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    absent = str(tmp_path / "absent")

    codes = [
        run(["doctor", "mtu", "--size", "20"]),
        run(["doctor", "mtu", "-o", "jsno"]),
        run(["doctor", "mtu", "--kubeconfig", absent]),
    ]

    said = capsys.readouterr().err
    assert codes == [2, 2, 2]
    assert "88<=x<=65535" in said
    assert "did you mean json?" in said
    assert absent in said


def test_help_tells_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "mtu", "--help"]) == 0

    assert "Exits with 1 when there is such a link" in capsys.readouterr().out
