"""Our entry in another network's list: where it is found, and what becomes of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from ciliate.cni.chained_conflist import render_chained

BRIDGE = {"type": "bridge", "ipam": {"type": "host-local"}}
OURS = {
    "type": "ciliate-cni",
    "enable-debug": False,
    "log-file": "/var/log/cni.log",
    "chaining-mode": "generic-veth",
}


def a_list(name: str, *plugins: dict[str, Any]) -> dict[str, Any]:
    """A configuration list."""
    return {"cniVersion": "1.0.0", "name": name, "plugins": list(plugins)}


def put(directory: Path, name: str, document: object) -> None:
    """A file beside ours."""
    (directory / name).write_text(json.dumps(document))


def rendered(directory: Path, target: str) -> Any:
    """The list that would be written, decoded; None when there is none."""
    content = render_chained(
        str(directory / "05-cilium.conflist"), target, debug=False, log_file="/var/log/cni.log"
    )
    return None if content is None else json.loads(content)


def test_entry_is_put_behind_the_named_networks_plugins(tmp_path: Path) -> None:
    put(tmp_path, "10-other.conflist", a_list("other", {"type": "macvlan"}))
    put(tmp_path, "20-mynet.conflist", {**a_list("mynet", BRIDGE), "disableCheck": True})

    assert rendered(tmp_path, "mynet") == {
        **a_list("mynet", BRIDGE, OURS),
        "disableCheck": True,
    }


def test_star_is_the_first_valid_configuration(tmp_path: Path) -> None:
    (tmp_path / "00-broken.conflist").write_text("{")
    put(tmp_path, "01-array.json", [1])
    put(tmp_path, "02-nameless.conflist", {"plugins": [BRIDGE]})
    put(tmp_path, "03-typeless.conflist", a_list("typeless", {"mtu": 3}))
    put(tmp_path, "04-empty.conflist", a_list("empty"))
    put(tmp_path, "04-only-us.conflist", a_list("cilium", {"type": "cilium-cni"}))
    put(tmp_path, "05-cilium.conflist", a_list("stale", BRIDGE, OURS))
    put(tmp_path, "06-notes.txt", a_list("text", BRIDGE))
    put(tmp_path, "20-mynet.conflist", a_list("mynet", BRIDGE))

    assert rendered(tmp_path, "*")["name"] == "mynet"


def test_lone_plugins_configuration_becomes_a_list(tmp_path: Path) -> None:
    put(tmp_path, "10-mynet.conf", {"cniVersion": "0.4.0", "name": "mynet", **BRIDGE})

    assert rendered(tmp_path, "mynet") == {
        "cniVersion": "0.4.0",
        "name": "mynet",
        "plugins": [BRIDGE, OURS],
    }


@pytest.mark.parametrize("kind", ["cilium-cni", "ciliate-cni"])
def test_entry_of_an_earlier_life_is_replaced_where_it_stands(tmp_path: Path, kind: str) -> None:
    tuning = {"type": "tuning"}
    put(tmp_path, "10-mynet.conflist", a_list("mynet", BRIDGE, {"type": kind, "old": 1}, tuning))

    assert rendered(tmp_path, "mynet")["plugins"] == [BRIDGE, OURS, tuning]


def test_list_that_was_put_aside_is_found_after_those_in_use(tmp_path: Path) -> None:
    put(tmp_path, "10-mynet.conflist.cilium_bak", a_list("mynet", {"type": "ptp"}))
    put(tmp_path, "10-mynet.txt.cilium_bak", a_list("mynet", {"type": "vlan"}))

    assert rendered(tmp_path, "mynet")["plugins"][0]["type"] == "ptp"

    put(tmp_path, "10-mynet.conflist", a_list("mynet", BRIDGE))
    assert rendered(tmp_path, "mynet")["plugins"][0]["type"] == "bridge"


@pytest.mark.parametrize("target", ["*", "mynet"])
def test_without_a_match_there_is_nothing_to_write(tmp_path: Path, target: str) -> None:
    put(tmp_path, "05-cilium.conflist", a_list("mynet", BRIDGE))

    assert rendered(tmp_path, target) is None
    assert rendered(tmp_path / "absent", target) is None
