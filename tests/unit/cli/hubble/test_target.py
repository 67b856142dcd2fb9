"""Whom a command asks: flags, environment, defaults."""

import socket
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from ciliate.cli.hubble.target import Target, default_server, target_options

AGENT = "unix:///var/run/cilium/hubble.sock"


def asked(words: list[str], environment: dict[str, str | None] | None = None) -> Target:
    found: list[Target] = []

    @click.command()
    @target_options
    def command(target: Target) -> None:
        found.append(target)

    result: Result = CliRunner().invoke(
        command, words, env=environment or {}, catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return found[0]


def test_relay_is_asked_except_in_an_agents_container() -> None:
    container = {"K8S_NODE_NAME": "w1", "CILIUM_K8S_NAMESPACE": "kube-system"}

    assert default_server({}) == "localhost:4245"
    assert default_server({"K8S_NODE_NAME": "w1"}) == "localhost:4245"
    assert default_server(container) == AGENT


def test_node_where_no_relay_is_in_reach_asks_its_own_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = tmp_path / "hubble.sock"
    agent.touch()
    with socket.create_server(("localhost", 0)) as relay:
        target = f"localhost:{relay.getsockname()[1]}"
        monkeypatch.setattr("ciliate.cli.hubble.target.RELAY_TARGET", target)
        assert default_server({}, f"unix://{agent}") == target
    assert default_server({}, f"unix://{agent}") == f"unix://{agent}"
    assert default_server({}, f"unix://{agent}x") == target


def test_environment_stands_for_flags_and_a_flag_wins() -> None:
    environment: dict[str, str | None] = {
        "HUBBLE_SERVER": "a:1",
        "HUBBLE_TLS_SERVER_NAME": "x.y",
        "HUBBLE_REQUEST_TIMEOUT": "1m",
        "HUBBLE_TLS": "true",
    }

    found = asked(["--tls-server-name", "z"], environment)

    assert (found.server, found.tls_server_name) == ("a:1", "z")
    assert (found.request_timeout, found.timeout, found.tls) == (60, 5, True)


@pytest.mark.parametrize(
    ("words", "server", "tls"),
    [
        (["--server", "tls://relay:443"], "relay:443", True),
        (["--server", "relay:443", "--tls"], "relay:443", True),
        (["--server", AGENT], AGENT, False),
    ],
)
def test_address_may_ask_for_tls(words: list[str], server: str, *, tls: bool) -> None:
    found = asked(words)

    assert (found.server, found.tls) == (server, tls)


def test_authorities_are_a_list_of_files() -> None:
    assert asked(["--tls-ca-cert-files", "a, b"]).tls_ca_cert_files == ("a", "b")
