"""`hubble watch peers`."""

from pathlib import Path

from click.testing import CliRunner
from tests.unit.cli.hubble.running_server import Answers, running

from ciliate.cli.hubble.watch import command
from ciliate.flows.pb.peer import peer_pb2

PEERS = [
    peer_pb2.ChangeNotification(
        name="k8s-ctr",
        address="192.168.10.100:4244",
        type=peer_pb2.PEER_ADDED,
        tls=peer_pb2.TLS(server_name="k8s-ctr.default.hubble-grpc.cilium.io"),
    ),
    peer_pb2.ChangeNotification(
        name="k8s-w3", address="192.168.10.103:4244", type=peer_pb2.PEER_DELETED
    ),
]


def test_changes_are_printed_as_they_come(tmp_path: Path) -> None:
    with running(Answers(peers=PEERS), tmp_path) as address:
        result = CliRunner().invoke(command, ["peers", "--server", address])

    assert result.stdout == (
        "PEER_ADDED   192.168.10.100:4244 k8s-ctr"
        " (TLS.ServerName: k8s-ctr.default.hubble-grpc.cilium.io)\n"
        "PEER_DELETED 192.168.10.103:4244 k8s-w3\n"
    )
