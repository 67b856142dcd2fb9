"""Paths of the node as this process sees them: in a container the node's root is at /host."""

from pathlib import Path

from ciliate.config.installation import STATE_DIR


def host_path(path: str) -> Path:
    """Return `path` as this process sees it: below /host only where there is such a folder."""
    inside = Path(path)
    if inside.is_relative_to("/host") and not Path("/host").is_dir():
        return Path("/") / inside.relative_to("/host")
    return inside


def placed_path(path: str, *, run: Path) -> Path:
    """Return where a file of a setting is: below `run` what is meant to be below STATE_DIR.

    Agents of one machine may read one ConfigMap, and must not share files.
    """
    named = host_path(path)
    return run / named.relative_to(STATE_DIR) if named.is_relative_to(STATE_DIR) else named


def node_path(path: str) -> Path:
    """Return where a path of the node, as a runtime names it, is for this process."""
    below_host = Path("/host") / path.lstrip("/")
    return below_host if below_host.exists() else Path(path)
