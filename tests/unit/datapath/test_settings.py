"""src/ciliate/datapath/settings.py, pins.py and map_set.py: what needs no kernel."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest

from ciliate.datapath import pins
from ciliate.datapath.errors import MapFullError, refused
from ciliate.datapath.layout import MAP_SHAPES
from ciliate.datapath.map_set import UnknownMapError, wanted_shapes
from ciliate.datapath.settings import DatapathSettings

ROOT = Path("/sys/fs/bpf")


def test_an_ipv4_prefix_is_mapped_and_its_mask_begins_with_ones() -> None:
    settings = DatapathSettings(native_routing_v4=IPv4Network("10.244.0.0/16"))
    constants = settings.constants(fib_flags=0)
    assert constants["native_routing_v4_address"].hex() == "00" * 10 + "ffff" + "0af40000"
    assert constants["native_routing_v4_mask"].hex() == "ff" * 14 + "0000"


@pytest.mark.parametrize(("length", "mask"), [(0, "00" * 16), (32, "ff" * 4 + "00" * 12)])
def test_an_ipv6_prefix_has_the_mask_of_its_length(length: int, mask: str) -> None:
    settings = DatapathSettings(
        native_routing_v6=IPv6Network(("fd00::" if length else "::", length))
    )
    assert settings.constants(fib_flags=0)["native_routing_v6_mask"].hex() == mask


def test_without_prefixes_masks_are_zero() -> None:
    constants = DatapathSettings().constants(fib_flags=0)
    for family in ("v4", "v6"):
        assert constants[f"native_routing_{family}_mask"] == bytes(16)


def test_numbers_and_switches_have_the_sizes_of_config_h() -> None:
    settings = DatapathSettings(masquerade_v4=True, verify_source=False, snat_port_min=0x1234)
    constants = settings.constants(fib_flags=8)
    assert (constants["masquerade_v4"], constants["masquerade_v6"]) == (b"\1", b"\0")
    assert constants["verify_source"] == b"\0"
    assert memoryview(constants["snat_port_min"]).cast("H")[0] == 0x1234
    assert memoryview(constants["fib_flags"]).cast("I")[0] == 8


@pytest.mark.parametrize("device", ["eth0", "eth0.100", "a.b.c"])
def test_a_devices_folder_has_no_dot_and_names_it(device: str) -> None:
    folder = pins.device_folder(device)
    assert "." not in folder
    assert pins.device_of_folder(folder) == device


def test_pins_lie_where_the_architecture_says() -> None:
    assert str(pins.map_path(ROOT, "conntrack")) == "/sys/fs/bpf/tc/globals/conntrack"
    assert str(pins.program_path(ROOT, "to_pod")) == "/sys/fs/bpf/ciliate/programs/to_pod"
    link = pins.link_path(ROOT, "eth1", "to_uplink")
    assert str(link) == "/sys/fs/bpf/cilium/devices/eth1/links/to_uplink"


def test_capacities_replace_the_default_and_nothing_else() -> None:
    shapes = wanted_shapes({"conntrack": 77})
    assert shapes["conntrack"] == MAP_SHAPES["conntrack"]._replace(capacity=77)
    assert {**shapes, "conntrack": None} == {**MAP_SHAPES, "conntrack": None}
    with pytest.raises(UnknownMapError, match="map natt: "):
        wanted_shapes({"natt": 1})


def test_errors_name_object_numbers_and_remedy() -> None:
    full = MapFullError(name="endpoints", capacity=4)
    assert "map endpoints" in str(full)
    assert "all 4 entries" in str(full)
    denied = refused(function="bpf_obj_get", subject="/sys/fs/bpf/x", code=1)
    assert "/sys/fs/bpf/x: bpf_obj_get: Operation not permitted: run as root" in str(denied)
