"""`cli/cluster_agents.py`: what cannot be asked from afar, and where it can be."""

from pathlib import Path

import pytest
from tests.unit.kube.embedded_server import embedded_server

from ciliate.api.definitions import definition_files
from ciliate.cli.cluster_agents import UnansweredError, ask_operator
from ciliate.kube.client import ApiClient


async def test_operator_without_a_pod_is_asked_where_it_runs(tmp_path: Path) -> None:
    async with (
        embedded_server(tmp_path, crd_files=definition_files()) as server,
        ApiClient.from_kubeconfig(server.kubeconfig) as client,
    ):
        with pytest.raises(
            UnansweredError, match="where it runs, type `cilium-dbg operator ipam`"
        ):
            await ask_operator(client, ("ipam",), dict)
