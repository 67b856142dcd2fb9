"""What `ssh` in a lab's shell takes for host and command."""

import pytest

from ciliate.lab.ssh import Call, read_ssh, read_sshpass


@pytest.mark.parametrize(
    ("line", "host", "command"),
    [
        ("k8s-w1", "k8s-w1", ""),
        ("vagrant@k8s-w1 ip -c route", "k8s-w1", "ip -c route"),
        ("-o StrictHostKeyChecking=no vagrant@k8s-w1 hostname", "k8s-w1", "hostname"),
        ("-oStrictHostKeyChecking=no -p 22 k8s-w1 ls -l", "k8s-w1", "ls -l"),
        ("-tt4 -l vagrant k8s-w1 -- ls", "k8s-w1", "ls"),
        ("k8s-w1 -t top", "k8s-w1", "top"),
        ("ssh://root@router", "router", ""),
        ("-V", "", ""),
        ("", "", ""),
    ],
)
def test_host_and_command_are_found_behind_options(line: str, host: str, command: str) -> None:
    assert read_ssh(line.split()) == Call(host, tuple(command.split()))


def test_sshpass_leaves_its_password_out() -> None:
    assert read_sshpass(["-p", "vagrant", "ssh", "vagrant@k8s-w1", "id"]) == [
        "ssh",
        "vagrant@k8s-w1",
        "id",
    ]
    assert read_sshpass(["-pvagrant", "-v", "ssh", "k8s-w1"]) == ["ssh", "k8s-w1"]
