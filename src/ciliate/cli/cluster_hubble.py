"""`cilium hubble`: the parts of Hubble in the cluster, from outside. Flows are shown by `hubble`."""

from typing import Final

from ciliate.cli.cluster_hubble_commands import CLUSTER_HUBBLE
from ciliate.cli.lazy_group import ListedGroup

command: Final = ListedGroup(
    "hubble",
    listed=CLUSTER_HUBBLE,
    help="Reach Hubble in the cluster, and turn it on and off. `hubble` shows flows.",
    epilog="\b\nExamples:\n  cilium hubble port-forward &\n  cilium hubble ui\n"
    "  cilium hubble enable",
)
