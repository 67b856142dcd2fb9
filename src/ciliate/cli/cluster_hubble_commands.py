"""The commands of `cilium hubble`, which `hubble` and `ciliate hubble` have beside their own."""

from typing import Final

#: Command -> where its click command lives, and its line in the help.
CLUSTER_HUBBLE: Final = {
    "port-forward": (
        "ciliate.cli.cluster_hubble_forward:port_forward",
        "Forward the relay's port to this machine.",
    ),
    "ui": ("ciliate.cli.cluster_hubble_forward:ui", "Open the page of flows."),
    "enable": ("ciliate.cli.cluster_hubble_switch:enable", "Turn Hubble on in the cluster."),
    "disable": ("ciliate.cli.cluster_hubble_switch:disable", "Turn Hubble off in the cluster."),
}
