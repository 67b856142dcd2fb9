"""What nodes are marked with, out of the texts of `cilium-config`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from ciliate.config import values


@dataclass(frozen=True, slots=True)
class ReadinessSettings:
    """What a node is marked with when its agent is, or is not, ready."""

    taint_key: str
    set_taint: bool
    remove_taint: bool
    set_condition: bool

    @property
    def any(self) -> bool:
        """Whether nodes are marked at all."""
        return self.set_taint or self.remove_taint or self.set_condition


def parse_readiness_settings(effective: Mapping[str, str]) -> ReadinessSettings:
    """Return the settings; every key is in `effective`, with its default where nothing is set.

    Raises:
        ValueTextError: A text cannot be read; keys that were checked raise none.
    """
    return ReadinessSettings(
        taint_key=effective["agent-not-ready-taint-key"],
        set_taint=values.read_bool(effective["set-cilium-node-taints"]),
        remove_taint=values.read_bool(effective["remove-cilium-node-taints"]),
        set_condition=values.read_bool(effective["set-cilium-is-up-condition"]),
    )
