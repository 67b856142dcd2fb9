"""Where an agent's files are, by its flags."""

from pathlib import Path

import pytest

from ciliate.node.context import Paths


def test_state_dir_moves_everything_of_the_agent() -> None:
    paths = Paths(Path("/run/second"))

    found = {paths.state, paths.api_socket, paths.cni_socket, paths.delete_queue}
    assert {path.parent for path in found} == {Path("/run/second")}


def test_socket_path_moves_the_socket_alone() -> None:
    paths = Paths(Path("/run/second"), Path("/tmp/agent.sock"))

    assert paths.api_socket == Path("/tmp/agent.sock")
    assert paths.cni_socket == Path("/run/second/cni.sock")


@pytest.mark.parametrize(
    ("named", "placed"),
    [
        ("/var/run/cilium/cilium-cni.log", "/run/second/cilium-cni.log"),
        ("/var/log/cni.log", "/var/log/cni.log"),
    ],
)
def test_agents_that_share_settings_share_no_file(named: str, placed: str) -> None:
    assert Paths(Path("/run/second")).placed(named) == Path(placed)
