"""MasqueradePolicies as the API server shows them."""

from typing import Any

from ciliate.api.masquerade_policy import MasqueradePolicy
from ciliate.api.metadata import ObjectMeta


def policy(*rules: dict[str, Any], name: str = "shop", priority: int = 10) -> MasqueradePolicy:
    """Return an object with these rules."""
    spec = {"priority": priority, "rules": list(rules)}
    return MasqueradePolicy(metadata=ObjectMeta(name=name), spec=spec)
