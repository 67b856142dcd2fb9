"""`cilium hubble` against the embedded API server."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from tests.unit.kube.embedded_server import EmbeddedServer, embedded_server
from tests.unit.operator.running_operator import configure

from ciliate.api.core import CONFIG_MAPS
from ciliate.api.definitions import definition_files
from ciliate.api.service import SERVICES
from ciliate.cli.app import program
from ciliate.cli.cluster_hubble_switch import missing
from ciliate.kube.client import ApiClient

NAMESPACE = "kube-system"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with embedded_server(tmp_path, crd_files=definition_files()) as started:
        yield started


@pytest.fixture
async def client(server: EmbeddedServer) -> AsyncIterator[ApiClient]:
    async with ApiClient.from_kubeconfig(server.kubeconfig) as made:
        await configure(made, {"mtu": "1500"})
        yield made


async def asked(server: EmbeddedServer, *words: str) -> Result:
    given = ["hubble", *words, "--kubeconfig", str(server.kubeconfig)]
    return await asyncio.to_thread(CliRunner().invoke, program("cilium"), given)


@pytest.mark.parametrize(
    ("settings", "relay", "expected"),
    [
        ({}, True, {"enable-hubble": "true", "hubble-listen-address": ":4244"}),
        ({}, False, {"enable-hubble": "true"}),
        (
            {"enable-hubble": "false", "hubble-listen-address": ":1"},
            True,
            {"enable-hubble": "true"},
        ),
        ({"enable-hubble": "true", "hubble-listen-address": ":4244"}, True, {}),
    ],
)
def test_only_what_is_missing_is_set(
    settings: dict[str, str], expected: dict[str, str], *, relay: bool
) -> None:
    assert missing(settings, relay=relay) == expected


async def test_enable_and_disable_change_the_settings_and_the_relay(
    server: EmbeddedServer, client: ApiClient
) -> None:
    async def state() -> tuple[str | None, set[str]]:
        config = await client.get(CONFIG_MAPS, "cilium-config", namespace=NAMESPACE)
        services = (await client.list(SERVICES, namespace=NAMESPACE)).items
        return config.data.get("enable-hubble"), {each.metadata.name for each in services}

    enabled = await asked(server, "enable")
    assert enabled.exit_code == 0, enabled.output
    assert "Patching ConfigMap cilium-config with enable-hubble=true" in enabled.output
    assert "Deploying Hubble Relay" in enabled.output
    assert await state() == ("true", {"hubble-peer", "hubble-relay"})

    again = await asked(server, "enable")
    assert "Hubble Relay is already deployed" in again.output
    assert "Patching" not in again.output

    with_page = await asked(server, "enable", "--ui")
    assert "Hubble Relay is already deployed" in with_page.output
    assert "Deploying Hubble UI" in with_page.output
    assert await state() == ("true", {"hubble-peer", "hubble-relay", "hubble-ui"})

    disabled = await asked(server, "disable")
    assert disabled.exit_code == 0, disabled.output
    assert "Deleting Hubble UI" in disabled.output
    assert await state() == ("false", set())
    assert (await asked(server, "disable")).output == "✅ Hubble was successfully disabled.\n"


async def test_page_without_the_relay_that_it_asks_is_refused(
    server: EmbeddedServer, client: ApiClient
) -> None:
    del client

    done = await asked(server, "enable", "--ui", "--relay=false")

    assert "leave --relay=false away" in str(done.exception)


async def test_service_that_is_missing_is_told_with_what_makes_it(
    server: EmbeddedServer, client: ApiClient
) -> None:
    del client
    for name, remedy in (("port-forward", "enable`"), ("ui", "enable --ui`")):
        done = await asked(server, name, "--port-forward", "0")
        assert f"`cilium hubble {remedy}" in str(done.exception)


async def test_local_port_in_use_is_told_with_the_flag_that_chooses(
    server: EmbeddedServer,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = await asked(server, "port-forward", "--port-forward", str(port))

    assert f"port {port} of this machine is in use" in str(done.exception)
    assert "--port-forward PORT takes another one, or 0" in str(done.exception)


async def test_forwarding_says_where_and_ends_well_on_ctrl_c(
    server: EmbeddedServer, client: ApiClient
) -> None:
    pods = f"/api/v1/namespaces/{NAMESPACE}/pods"
    labels = {"k8s-app": "hubble-ui"}
    spec = {"nodeName": "n", "containers": [{"name": "c", "image": "x"}]}
    pod = {"metadata": {"name": "ui", "labels": labels}, "spec": spec}
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    service = {
        "metadata": {"name": "hubble-ui"},
        "spec": {"selector": labels, "ports": [{"port": 80}]},
    }
    await client.request("POST", pods, body=msgspec.json.encode(pod))
    await client.request(
        "PATCH",
        f"{pods}/ui/status",
        body=msgspec.json.encode({"status": status}),
        content_type="application/merge-patch+json",
    )
    services = f"/api/v1/namespaces/{NAMESPACE}/services"
    await client.request("POST", services, body=msgspec.json.encode(service))
    words = ["hubble", "ui", "--port-forward", "0", "--kubeconfig", str(server.kubeconfig)]
    code = f"import sys; from ciliate.cli.main import run; sys.exit(run({words!r}, 'cilium'))"
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "BROWSER")}

    process = await asyncio.create_subprocess_exec(
        # A shell's background job, as tests may be, ignores SIGINT, and so would what it starts.
        *("env", "--default-signal", sys.executable, "-u", "-c", code),
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    process.send_signal(signal.SIGINT)

    assert line.startswith("ℹ️  Hubble UI is available at http://localhost:")  # noqa: RUF001
    assert await process.wait() == 0
