import os
import socket
import stat
from pathlib import Path

import pytest

from ciliate.system.unix_socket import is_served, listen_unix


def connect(path: Path, kind: int = socket.SOCK_STREAM) -> None:
    with socket.socket(socket.AF_UNIX, kind) as client:
        client.connect(str(path))


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET])
def test_socket_listens_for_root_alone(tmp_path: Path, kind: int) -> None:
    path = tmp_path / "run" / "agent.sock"
    with listen_unix(path, kind=kind):
        connect(path, kind)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert os.listdir(path.parent) == ["agent.sock"]


def test_mode_needs_no_umask(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    before = os.umask(0)
    try:
        with listen_unix(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert os.umask(0) == 0
    finally:
        os.umask(before)


def test_what_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    listen_unix(path).close()
    listen_unix(f"{path}.new").close()
    assert not is_served(path)
    with listen_unix(path):
        assert is_served(path)


def test_failure_leaves_the_server_before(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 26)
    with pytest.raises(OSError, match="too long"):
        listen_unix(path)
    taken = tmp_path / "taken"
    taken.mkdir()
    with pytest.raises(IsADirectoryError):
        listen_unix(taken)
    assert os.listdir(tmp_path) == ["taken"]


def test_absent_socket_is_not_served(tmp_path: Path) -> None:
    assert not is_served(tmp_path / "absent.sock")
