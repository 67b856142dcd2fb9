"""Whether a command runs in the container of an agent or an operator."""

from collections.abc import Mapping
from typing import Final

#: What such a container has in its environment (Cilium's chart): a node's name for itself and the
#: installation's namespace. A shell of a user has neither.
_VARIABLES: Final = frozenset({"K8S_NODE_NAME", "CILIUM_K8S_NAMESPACE"})


def in_agent_container(environment: Mapping[str, str]) -> bool:
    """Whether a process with this environment runs in such a container."""
    return environment.keys() >= _VARIABLES
