from pathlib import Path

import pytest

from ciliate.lab.preflight import MachineUnfitError, check_prometheus


def test_machine_without_prometheus_is_told_which_package_has_it(tmp_path: Path) -> None:
    with pytest.raises(MachineUnfitError) as refused:
        check_prometheus(str(tmp_path))

    assert "--monitoring" in str(refused.value)
    assert "apt-get install prometheus" in str(refused.value)


def test_machine_where_a_pod_finds_prometheus_will_do(tmp_path: Path) -> None:
    (tmp_path / "prometheus").touch(mode=0o755)

    check_prometheus(str(tmp_path))
