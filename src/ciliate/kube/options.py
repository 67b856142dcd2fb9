"""Choices of a write that the Kubernetes API has names for."""

from enum import StrEnum


class PatchKind(StrEnum):
    """How a patch is written; the value is its media type."""

    MERGE = "application/merge-patch+json"  # RFC 7396.
    JSON = "application/json-patch+json"  # RFC 6902.
    STRATEGIC = "application/strategic-merge-patch+json"  # Built-in kinds only.
    APPLY = "application/apply-patch+yaml"  # Server-side apply; JSON is YAML.


class Propagation(StrEnum):
    """What happens to the objects that a deleted one owns."""

    BACKGROUND = "Background"
    FOREGROUND = "Foreground"
    ORPHAN = "Orphan"
