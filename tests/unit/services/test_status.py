"""`services/status.py`: the kube-proxy replacement in `dbg status`, in Cilium's form."""

import msgspec
import pytest
from msgspec.structs import replace

from ciliate.config.service_settings import ServiceSettings, read_service_settings
from ciliate.config.texts import Texts
from ciliate.console.table import align
from ciliate.services.status import (
    DeviceModel,
    KubeProxyReplacement,
    detail_lines,
    features_of,
    lines,
)

ETH0 = DeviceModel(name="eth0", ip=("10.0.2.15", "fe80::1"))
ETH1 = DeviceModel(name="eth1", ip=("192.168.10.100",))
BOTH = KubeProxyReplacement(mode="True", device_list=(ETH0, ETH1), direct_routing_device="eth1")


def test_devices_are_told_with_their_addresses_and_which_one_routes() -> None:
    devices = "eth0    10.0.2.15 fe80::1, eth1   192.168.10.100 (Direct Routing)"

    assert list(lines(BOTH)) == [f"KubeProxyReplacement:\tTrue\t[{devices}]"]


@pytest.mark.parametrize(
    "replacement",
    [
        KubeProxyReplacement(mode="False", device_list=(ETH0,)),
        KubeProxyReplacement(mode="False"),
    ],
)
def test_replacement_that_is_off_names_no_device(replacement: KubeProxyReplacement) -> None:
    assert list(lines(replacement)) == ["KubeProxyReplacement:\tFalse\t"]


def test_replacement_without_devices_says_so_by_an_empty_field() -> None:
    assert list(lines(KubeProxyReplacement(mode="True"))) == ["KubeProxyReplacement:\tTrue\t"]


def test_replacement_that_is_not_at_work_says_why() -> None:
    why = "attach-socket-programs: no control group of version 2"

    told = KubeProxyReplacement(mode="False", device_list=(ETH0,), problem=why)

    assert list(lines(told)) == [f"KubeProxyReplacement:\tFalse\t{why}"]
    assert f"  Problem:\t{why}" in list(detail_lines(told))


DETAILS = """\
KubeProxyReplacement Details:
  Status:               True
  Socket LB:            Enabled
  Socket LB Tracing:    Disabled
  Socket LB Coverage:   Full
  Devices:              eth0 10.0.2.15 fe80::1, eth1 192.168.10.100 (Direct Routing)
  Mode:                 SNAT
  Backend Selection:    Random
  Session Affinity:     Enabled
  NAT46/64 Support:     Disabled
  XDP Acceleration:     Disabled
  Services:
  - ClusterIP:      Enabled
  - NodePort:       Enabled (Range: 30000-32767) 
  - LoadBalancer:   Enabled 
  - externalIPs:    Enabled 
  - HostPort:       Enabled
  Annotations:
  - service.cilium.io/node
  - service.cilium.io/node-selector
  - service.cilium.io/src-ranges-policy
  - service.cilium.io/type
"""  # noqa: W291 - Cilium has blanks there.


def test_details_are_cilium_s_lines_and_columns() -> None:
    told = replace(BOTH, features=features_of(settings()))

    assert align(detail_lines(told), width_min=2, padding=3) == DETAILS


def test_maglev_is_told_with_the_size_of_its_tables() -> None:
    features = features_of(settings(**{"bpf-lb-algorithm": "maglev"}))

    assert "  Backend Selection:\tMaglev (Table Size: 16381)" in list(
        detail_lines(replace(BOTH, features=features))
    )


def test_sockets_alone_serve_cluster_ips_and_nothing_else() -> None:
    features = features_of(settings(**{"kube-proxy-replacement": "false", "bpf-lb-sock": "true"}))
    told = list(detail_lines(KubeProxyReplacement(mode="False", features=features)))

    assert "  - ClusterIP:\tEnabled" in told
    assert "  - NodePort:\tDisabled" in told
    assert "  - HostPort:\tDisabled" in told
    assert not any(line.startswith("  Mode") for line in told)


def test_json_has_the_names_of_cilium_s_api() -> None:
    told = replace(BOTH, features=features_of(settings()))

    found = msgspec.json.decode(msgspec.json.encode(told))

    assert found["deviceList"][0] == {"name": "eth0", "ip": ["10.0.2.15", "fe80::1"]}
    assert found["features"]["nodePort"] == {
        "enabled": True,
        "mode": "SNAT",
        "algorithm": "Random",
        "acceleration": "Disabled",
        "portMin": 30000,
        "portMax": 32767,
    }
    assert found["features"]["socketLB"] == {"enabled": True}
    assert found["features"]["hostReachableServices"] == {
        "enabled": True,
        "protocols": ["TCP", "UDP"],
    }


def test_devices_that_programs_cannot_read_are_told_with_the_reason() -> None:
    told = detail_lines(KubeProxyReplacement(mode="False", unsupported_devices=("ib0: why",)))

    assert "  Unsupported Device:\tib0: why" in list(told)


def settings(**changes: str) -> ServiceSettings:
    """Return the settings of Services that a ConfigMap with these keys gives."""
    return read_service_settings(Texts({"kube-proxy-replacement": "true", **changes}))
