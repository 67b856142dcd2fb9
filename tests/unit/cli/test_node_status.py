"""`dbg status` against the lines of a real cluster (Cilium 1.17.6)."""

from datetime import UTC, datetime, timedelta

from ciliate.agent.status import StatusResponse
from ciliate.api.agent_status import (
    BigTcp,
    ComponentStatus,
    Controller,
    ControllerStatus,
    FeatureMode,
    FeatureSwitch,
    HubbleStatus,
    KubernetesStatus,
)
from ciliate.cli.node_status import (
    Details,
    first_problem,
    render_brief,
    render_status,
)
from ciliate.endpoint.status import EndpointCount
from ciliate.identity.status import IdentityRange
from ciliate.ipam.status import IpamStatus, PoolUsage, describe_pools
from ciliate.masquerade.status import MasqueradedFamilies, Masquerading
from ciliate.routing.status import Routing
from ciliate.services.status import DeviceModel, KubeProxyReplacement

NOW = datetime(2025, 7, 18, 12, 0, 0, tzinfo=UTC)
DEVICES = KubeProxyReplacement(
    mode="True",
    devices=("eth0", "eth1"),
    device_list=(
        DeviceModel(name="eth0", ip=("10.0.2.15",)),
        DeviceModel(name="eth1", ip=("192.168.10.100",)),
    ),
    direct_routing_device="eth1",
)
BPF = Masquerading(
    mode="BPF",
    enabled=True,
    enabled_protocols=MasqueradedFamilies(ipv4=True),
    snat_exclusion_cidr_v4="172.20.0.0/16",
)


def status(**changes: object) -> StatusResponse:
    """Return the walk-through's k8s-ctr, with `changes`."""
    fields: dict[str, object] = {
        "kvstore": ComponentStatus(state="Disabled"),
        "kubernetes": KubernetesStatus(
            state="Ok",
            msg="1.33 (v1.33.2) [linux/amd64]",
            k8s_api_versions=("core/v1::Pods", "cilium/v2::CiliumNode"),
        ),
        "kube_proxy_replacement": DEVICES,
        "host_firewall": FeatureMode(mode="Disabled"),
        "srv6": FeatureSwitch(),
        "cni_chaining": FeatureMode(mode="none"),
        "cni_file": ComponentStatus(
            state="Ok",
            msg="successfully wrote CNI configuration file to "
            "/host/etc/cni/net.d/05-cilium.conflist",
        ),
        "cilium": ComponentStatus(state="Ok", msg="0.1.0 (v0.1.0)"),
        "ipam": IpamStatus(
            status=describe_pools(PoolUsage("10.244.0.0/24", 5, 254), None),
            allocations={
                "10.244.0.53": "default/webpod-1",
                "10.244.0.254": "router",
                "10.244.0.134": "kube-system/coredns-1 [restored]",
            },
        ),
        "ipv4_big_tcp": BigTcp(),
        "ipv6_big_tcp": BigTcp(),
        "bandwidth_manager": FeatureSwitch(),
        "routing": Routing(inter_host_routing_mode="Native", intra_host_routing_mode="BPF"),
        "attach_mode": "tcx",
        "datapath_mode": "veth",
        "masquerading": BPF,
        "controllers": (Controller(name="sync-routes"), Controller(name="sync-ipcache")),
        "identity_range": IdentityRange(min_identity=256, max_identity=65535),
        "hubble": HubbleStatus(state="Disabled"),
        "encryption": FeatureMode(mode="Disabled"),
        "endpoints": EndpointCount(total=5, ready=5),
        "started_at": NOW - timedelta(minutes=4, seconds=12),
        **changes,
    }
    return StatusResponse(**fields)  # type: ignore[arg-type] # Each is of its field's type.


GOLDEN = """\
KVStore:                 Disabled   
Kubernetes:              Ok         1.33 (v1.33.2) [linux/amd64]
Kubernetes APIs:         ["cilium/v2::CiliumNode", "core/v1::Pods"]
KubeProxyReplacement:    True   [eth0    10.0.2.15, eth1   192.168.10.100 (Direct Routing)]
Host firewall:           Disabled
SRv6:                    Disabled
CNI Chaining:            none
CNI Config file:         successfully wrote CNI configuration file to /host/etc/cni/net.d/05-cilium.conflist
Cilium:                  Ok   0.1.0 (v0.1.0)
NodeMonitor:             Disabled
IPAM:                    IPv4: 5/254 allocated from 10.244.0.0/24, 
IPv4 BIG TCP:            Disabled
IPv6 BIG TCP:            Disabled
BandwidthManager:        Disabled
Routing:                 Network: Native   Host: BPF
Attach Mode:             TCX
Device Mode:             veth
Masquerading:            BPF   [eth0, eth1]   172.20.0.0/16  [IPv4: Enabled, IPv6: Disabled]
Controller Status:       2/2 healthy
Proxy Status:            No managed proxy redirect
Global Identity Range:   min 256, max 65535
Hubble:                  Disabled
Encryption:              Disabled   
Cluster health:          Probe disabled
"""  # noqa: W291 - Cilium pads these cells; programs that split on blanks must not care.


def test_status_of_the_walkthrough_has_cilium_s_lines_and_columns() -> None:
    assert render_status(status(), Details(), now=NOW) == GOLDEN


def test_allocated_addresses_are_sorted_as_text() -> None:
    text = render_status(status(), Details(addresses=True), now=NOW)

    assert (
        "Allocated addresses:\n"
        "  10.244.0.134 (kube-system/coredns-1 [restored])\n"
        "  10.244.0.254 (router)\n"
        "  10.244.0.53 (default/webpod-1)\n"
    ) in text


def test_failing_controller_is_shown_without_asking() -> None:
    failing = Controller(
        name="sync-routes",
        status=ControllerStatus(
            consecutive_failure_count=3,
            last_failure_msg="no route to 192.168.10.101",
            last_failure_timestamp=NOW - timedelta(seconds=5),
        ),
    )
    text = render_status(
        status(controllers=(failing, Controller(name="quiet"))), Details(), now=NOW
    )

    rows = [line.split() for line in text.splitlines()]
    assert "Controller Status:       1/2 healthy" in text
    assert ["Name", "Last", "success", "Last", "error", "Count", "Message"] in rows
    assert [
        "sync-routes",
        "never",
        "5s",
        "ago",
        "3",
        "no",
        "route",
        "to",
        "192.168.10.101",
    ] in rows
    assert "quiet" not in text


def test_ipam_text_of_each_family_choice() -> None:
    v4 = PoolUsage("10.244.0.0/24", 5, 254)
    v6 = PoolUsage("fd00:10:244::/120", 1, 254)

    assert describe_pools(v4, None) == "IPv4: 5/254 allocated from 10.244.0.0/24, "
    assert describe_pools(None, v6) == "IPv6: 1/254 allocated from fd00:10:244::/120"
    assert describe_pools(v4, v6) == (
        "IPv4: 5/254 allocated from 10.244.0.0/24, IPv6: 1/254 allocated from fd00:10:244::/120"
    )
    assert describe_pools(None, None) == "Not running"


def test_brief_is_ok_or_the_first_problem() -> None:
    away = KubernetesStatus(state="Failure", msg="connection refused")

    assert render_brief(status()) == "OK\n"
    assert first_problem(status()) is None
    assert render_brief(status(kubernetes=away)) == "error in kubernetes: connection refused\n"


def test_warnings_about_settings_close_the_text() -> None:
    text = render_status(
        status(warnings=("enable-hubble: 'true' is known but not supported",)),
        Details(own=True),
        now=NOW,
    )

    assert "Endpoints:               5/5 ready\nStarted:                 4m12s ago\n" in text
    assert text.endswith("Warnings:\n  enable-hubble: 'true' is known but not supported\n")
