"""`cli/name_completion.py`: a shell is offered names, or nothing."""

from pathlib import Path

import click
import pytest

from ciliate.cli.ipam.status import command
from ciliate.cli.name_completion import complete_nodes


def offered(incomplete: str) -> list[str]:
    context = click.Context(command)
    found = complete_nodes(context, command.params[0], incomplete)
    return [item.value for item in found]


def test_cluster_that_is_not_there_offers_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))

    assert offered("k8s") == []
