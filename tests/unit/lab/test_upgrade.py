"""`lab/upgrade.py`: parts of a running lab come and go, by the settings that are in force."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.kube.embedded_server import embedded_server

from ciliate.api.core import CONFIG_MAPS
from ciliate.kube.client import ApiClient
from ciliate.kube.errors import NotFoundError
from ciliate.lab import manifests
from ciliate.lab.control_plane import create_parts
from ciliate.lab.paths import LabPaths
from ciliate.lab.state import LabState, Phase, machine_state, read_state, write_state
from ciliate.lab.topology import default_machines
from ciliate.lab.upgrade import upgrade


@dataclass
class Bench:
    """A lab of which there is the API server alone."""

    paths: LabPaths
    client: ApiClient

    async def upgrade(self, *words: str) -> list[str]:
        return await asyncio.to_thread(upgrade, self.paths, self.state, words)

    @property
    def state(self) -> LabState:
        return read_state(self.paths)

    async def parts(self) -> set[str]:
        """Return which of the relay's objects there are, by kind and name."""
        found = set()
        for placed in manifests.hubble_relay({}):
            name = placed.body["metadata"]["name"]
            try:
                await self.client.request("GET", f"{placed.path}/{name}")
            except NotFoundError:
                continue
            found.add(f"{placed.body['kind']} {name}")
        return found

    async def relay_config(self) -> str:
        found = await self.client.get(
            CONFIG_MAPS, "hubble-relay-config", namespace=manifests.NAMESPACE
        )
        return found.data["config.yaml"]


ALL = {
    "ServiceAccount hubble-relay",
    "ConfigMap hubble-relay-config",
    "Service hubble-peer",
    "Service hubble-relay",
    "Deployment hubble-relay",
}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with embedded_server(tmp_path) as server:
        paths = LabPaths("x", root=tmp_path / "labs")
        paths.folder.mkdir(parents=True)
        shutil.copy(server.kubeconfig, paths.kubeconfig)
        machines = [machine_state(paths, m, dual_stack=False) for m in default_machines(1)]
        fields: dict[str, Any] = {"settings": {"debug": "true"}, "machines": machines}
        state = LabState(
            name="x", checkout="/src", phase=Phase.UP, dual_stack=False, api_port=1, **fields
        )
        write_state(paths, state)
        async with ApiClient.from_kubeconfig(paths.kubeconfig) as client:
            config = manifests.cilium_config(dual_stack=False, changes={"cluster-name": "east"})
            placed = manifests._configuration(manifests.CONFIG_MAP, config)
            await client.request("POST", placed.path, body=msgspec.json.encode(placed.body))
            yield Bench(paths, client)


async def test_relay_is_added_and_taken_away(bench: Bench) -> None:
    added = await bench.upgrade("hubble.relay.enabled=true")
    there, was = await bench.parts(), bench.state.parts
    removed = await bench.upgrade("hubble.relay.enabled=false")

    assert (there, await bench.parts()) == (ALL, set())
    assert (was, bench.state.parts) == (["hubble-relay"], [])
    assert (added, removed) == (["hubble-relay: there"], ["hubble-relay: removed"])
    assert bench.state.settings == {"debug": "true"}


async def test_part_that_is_there_or_gone_already_is_no_error(bench: Bench) -> None:
    assert await bench.upgrade("hubble.relay.enabled=false") == ["hubble-relay: removed"]
    for _ in range(2):
        assert await bench.upgrade("hubble.relay.enabled=true") == ["hubble-relay: there"]

    assert await bench.parts() == ALL


async def test_relay_is_made_by_the_settings_of_the_cluster_and_those_of_the_same_words(
    bench: Bench,
) -> None:
    await bench.upgrade("hubble-disable-tls=true,hubble.relay.enabled=true")

    text = await bench.relay_config()
    assert "cluster-name: east" in text
    assert "disable-client-tls: true" in text


async def test_other_settings_leave_the_relay_alone(bench: Bench) -> None:
    await bench.upgrade("hubble.relay.enabled=true")

    await bench.upgrade("debug.enabled=false")

    assert await bench.parts() == ALL
    assert bench.state.parts == ["hubble-relay"]


async def test_lab_that_starts_with_a_relay_has_it_by_its_settings(bench: Bench) -> None:
    state = msgspec.structs.replace(
        bench.state, settings={"cluster-name": "west"}, parts=["hubble-relay"]
    )

    for _ in range(2):
        await create_parts(bench.client, state)

    assert await bench.parts() == ALL
    assert "cluster-name: west" in await bench.relay_config()


async def test_change_of_the_routing_mode_says_what_it_will_do(bench: Bench) -> None:
    lines = await bench.upgrade("routingMode=tunnel", "autoDirectNodeRoutes=false")

    said = "\n".join(lines)
    assert "routing-mode: tunnel (was: native)" in said
    assert "pods of other nodes: by a vxlan tunnel (UDP 8472, by IPv4)" in said
    assert "50 bytes less of MTU" in said
