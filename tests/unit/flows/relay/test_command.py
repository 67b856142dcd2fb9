"""`flows/relay/command.py`: `hubble-relay serve` runs until it is told to end, or says why not."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.unit.flows.grpc_listener.fronted_server import connected, free_port
from tests.unit.flows.server.flow_clients import soon

from ciliate.flows.relay.command import command


def run(*words: str, **variables: str) -> tuple[int, str]:
    found = CliRunner().invoke(command, ["serve", *words], env=variables)
    return found.exit_code, found.output


def test_wrong_key_is_told_and_nothing_runs(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("listen-adress: :4245\n", encoding="utf-8")

    assert run("--config", str(file)) == (
        1,
        f"hubble-relay: {file}: listen-adress: is not a known key: did you mean 'listen-address'?\n",
    )


def test_file_may_be_named_by_a_variable(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("[]x", encoding="utf-8")

    code, text = run(HUBBLE_RELAY_CONFIG=str(file))

    assert code == 1
    assert f"hubble-relay: {file}: cannot be read" in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_relay_serves_until_it_is_told_to_end(
    tmp_path: Path, number: signal.Signals
) -> None:
    port, file = free_port(), tmp_path / "config.yaml"
    file.write_text(
        f"peer-service: unix://{tmp_path}/none.sock\n"
        f"listen-address: 127.0.0.1:{port}\n"
        f"health-listen-address: 127.0.0.1:{free_port()}\n"
        "disable-client-tls: true\n"
        "disable-server-tls: true\n",
        encoding="utf-8",
    )
    words = ("-m", "ciliate.cli.main", "hubble-relay", "serve", "--config", str(file))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, stderr=asyncio.subprocess.PIPE, env=dict(os.environ)
    )
    try:
        _, writer = await connected(port)
        writer.close()
        process.send_signal(number)
        _, errors = await soon(process.communicate(), within_s=60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert process.returncode == 0
    assert b"hubble-relay: listening at 127.0.0.1:" in errors
    assert b"Traceback" not in errors
