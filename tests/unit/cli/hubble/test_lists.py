"""`hubble list` with a server that answers."""

import json
from pathlib import Path

from click.testing import CliRunner, Result
from tests.unit.cli.hubble.running_server import Answers, running

from ciliate.cli.hubble.errors import CallFailedError
from ciliate.cli.hubble.lists import command
from ciliate.flows.pb.observer import observer_pb2

ANSWERS = Answers(
    nodes=observer_pb2.GetNodesResponse(
        nodes=[observer_pb2.Node(name="b"), observer_pb2.Node(name="a")]
    ),
    namespaces=observer_pb2.GetNamespacesResponse(
        namespaces=[observer_pb2.Namespace(cluster="default", namespace="prod")]
    ),
)


def listed(answers: Answers, folder: Path, *words: str) -> Result:
    with running(answers, folder) as address:
        return CliRunner().invoke(command, [*words, "--server", address])


def test_nodes_are_sorted_by_name(tmp_path: Path) -> None:
    lines = listed(ANSWERS, tmp_path, "nodes").stdout.splitlines()

    assert [line.split()[0] for line in lines] == ["NAME", "a", "b"]
    found = json.loads(listed(ANSWERS, tmp_path, "nodes", "-o", "json").stdout)
    assert found == [{"name": "a"}, {"name": "b"}]


def test_namespaces_are_listed(tmp_path: Path) -> None:
    assert listed(ANSWERS, tmp_path, "namespaces").stdout == "NAMESPACE\nprod\n"
    wide = listed(ANSWERS, tmp_path, "namespaces", "-o", "wide").stdout
    assert wide == "NAMESPACE   CLUSTER\nprod        default\n"


def test_agent_that_knows_itself_alone_says_so(tmp_path: Path) -> None:
    result = listed(Answers(), tmp_path, "nodes")

    assert isinstance(result.exception, CallFailedError)
    assert str(result.exception) == (
        "rpc error: code = Unimplemented desc = GetNodes not implemented"
    )
