"""`flows/ui/command.py`: `hubble-ui serve` runs until it is told to end, or says why not."""

import asyncio
import os
import signal
import sys

import pytest
from click.testing import CliRunner
from tests.unit.flows.grpc_listener.fronted_server import connected, free_port
from tests.unit.flows.server.flow_clients import soon

from ciliate.flows.ui.command import command


def test_wrong_value_is_told_and_nothing_runs() -> None:
    found = CliRunner().invoke(command, ["serve"], env={"TLS_TO_RELAY_ENABLED": "perhaps"})

    assert found.exit_code == 1
    assert found.output.startswith("hubble-ui: TLS_TO_RELAY_ENABLED='perhaps': ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_page_is_served_until_it_is_told_to_end(number: signal.Signals) -> None:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ciliate.cli.main", "hubble-ui", "serve"),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "UI_LISTEN_ADDRESS": f"127.0.0.1:{port}"},
    )
    try:
        _, writer = await connected(port)
        writer.close()
        process.send_signal(number)
        assert await soon(process.wait()) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_port_that_is_in_use_is_told() -> None:
    port = free_port()
    async with await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", port):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ciliate.cli.main", "hubble-ui", "serve"),
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "UI_LISTEN_ADDRESS": f"127.0.0.1:{port}"},
        )
        _, text = await soon(process.communicate())

    assert process.returncode == 1
    assert b"Address already in use" in text
