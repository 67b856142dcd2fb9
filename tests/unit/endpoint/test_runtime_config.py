"""The CNI configuration file of each mode, kept while the agent runs."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from ciliate.cni.chained_conflist import NOT_FOUND
from ciliate.config.settings import CniSettings
from ciliate.endpoint import runtime_config
from ciliate.endpoint.runtime_config import RuntimeConfig

BRIDGE = {"cniVersion": "1.0.0", "name": "mynet", "plugins": [{"type": "bridge"}]}


def config(directory: Path, mode: str, *, exclusive: bool = True) -> RuntimeConfig:
    """The `RuntimeConfig` of a file in `directory`."""
    settings = CniSettings(
        conflist_path=str(directory / "05-cilium.conflist"),
        exclusive=exclusive,
        log_file="",
        chaining_mode=mode,
        chaining_target="mynet" if mode == "generic-veth" else "",
    )
    return RuntimeConfig(settings, debug=False)


def types(directory: Path) -> list[Any]:
    """The plugins of the file that is written."""
    document = json.loads((directory / "05-cilium.conflist").read_text())
    return [plugin["type"] for plugin in document["plugins"]]


async def test_portmap_follows_our_plugin_with_its_capability(tmp_path: Path) -> None:
    await config(tmp_path, "portmap").write()

    document = json.loads((tmp_path / "05-cilium.conflist").read_text())
    assert document["name"] == "portmap"
    assert types(tmp_path) == ["ciliate-cni", "portmap"]
    assert document["plugins"][1]["capabilities"] == {"portMappings": True}


async def test_chained_list_is_written_as_soon_as_its_network_appears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_config, "_SEARCH_S", 0.01)
    managed = config(tmp_path, "generic-veth")

    await managed.write()

    assert not (tmp_path / "05-cilium.conflist").exists()
    assert managed.message == NOT_FOUND
    assert managed.status.last_failure == NOT_FOUND
    watching = asyncio.create_task(managed.run())
    (tmp_path / "10-mynet.conflist").write_text(json.dumps(BRIDGE))
    async with asyncio.timeout(10):
        while not managed.status.successes:
            await asyncio.sleep(0.01)
    watching.cancel()
    assert types(tmp_path) == ["bridge", "ciliate-cni"]
    assert (tmp_path / "10-mynet.conflist.cilium_bak").exists()
    assert "successfully wrote CNI configuration file" in managed.message


async def test_list_follows_a_change_of_the_other_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_config, "_CHECK_S", 0.01)
    (tmp_path / "10-mynet.conflist").write_text(json.dumps(BRIDGE))
    managed = config(tmp_path, "generic-veth", exclusive=False)
    await managed.write()
    watching = asyncio.create_task(managed.run())

    changed = {**BRIDGE, "plugins": [{"type": "ptp"}]}
    (tmp_path / "10-mynet.conflist").write_text(json.dumps(changed))

    async with asyncio.timeout(10):
        while types(tmp_path) != ["ptp", "ciliate-cni"]:
            await asyncio.sleep(0.01)
    watching.cancel()


async def test_list_stays_for_its_pods_when_the_other_network_goes(tmp_path: Path) -> None:
    other = tmp_path / "10-mynet.conflist"
    other.write_text(json.dumps(BRIDGE))
    managed = config(tmp_path, "generic-veth", exclusive=False)
    await managed.write()

    other.unlink()
    await managed.write()

    assert types(tmp_path) == ["bridge", "ciliate-cni"]
    assert managed.message == NOT_FOUND
