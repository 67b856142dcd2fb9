"""What an installation is called: its namespace, objects, labels and folders. Pure.

The one place of these names. They are those of Cilium's chart unless somebody says otherwise by a
flag or a variable, which agent, operator and commands share: two agents of one machine, and
installations beside each other, differ in them. docs/CILIUM.md, "Names", lists them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # Every command imports this module, most without the API's objects.
    from ciliate.api.metadata import ObjectMeta

#: Sockets, state and the queue of DELs, unless `--state-dir` says otherwise.
STATE_DIR: Final = "/var/run/cilium"
#: Where the agent answers, unless `--socket-path` or CILIUM_SOCK says otherwise.
AGENT_SOCKET: Final = f"{STATE_DIR}/cilium.sock"
#: Where the operator answers, unless its flag `--health-socket` or CILIUM_OPERATOR_SOCK says otherwise.
OPERATOR_SOCKET: Final = f"{STATE_DIR}/operator.sock"


@dataclass(frozen=True, slots=True)
class Installation:
    """The names by which an installation's parts find each other."""

    namespace: str = "kube-system"
    config_map: str = "cilium-config"
    agent_daemonset_name: str = "cilium"
    agent_pod_selector: str = "k8s-app=cilium"
    agent_container_name: str = "cilium-agent"
    operator_deployment_name: str = "cilium-operator"
    operator_pod_selector: str = "name=cilium-operator"
    operator_container_name: str = "cilium-operator"
    operator_lease: str = "cilium-operator-resource-lock"

    def has_agent(self, pod: "ObjectMeta") -> bool:
        """Whether a pod of these metadata runs an agent; a label says so in our namespace only."""
        labels = parse_selector(self.agent_pod_selector)
        return pod.namespace == self.namespace and labels.items() <= pod.labels.items()


def parse_selector(text: str) -> dict[str, str]:
    """Return the labels that a selector of the form KEY=VALUE[,KEY=VALUE] asks for.

    Raises:
        ValueError: It has another form.
    """
    labels = {}
    for word in text.split(","):
        key, equals, value = word.strip().partition("=")
        if not equals or not key or key.endswith("!") or value.startswith("="):
            raise ValueError(f"{text!r} is no selector: write KEY=VALUE, separated by commas")
        labels[key] = value
    return labels
