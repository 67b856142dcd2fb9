"""Notices when a node's CNI configuration comes, changes or goes."""

from collections.abc import Callable
from pathlib import Path

from ciliate.lab.errors import KernelCallError
from ciliate.lab.kubelet.cni import CONF_DIRECTORY
from ciliate.lab.namespaces import in_namespaces
from ciliate.system.directory_watch import DirectoryWatch, watch_directory


class ConfWatch(DirectoryWatch):
    """Calls `on_change` in the loop for whatever happens in a node's /etc/cni/net.d."""

    def __init__(self, node_pins: Path, on_change: Callable[[], None]) -> None:
        # The watch is on the directory's inode as the node sees it, through its overlay; the
        # descriptor itself belongs to no namespace.
        super().__init__(in_namespaces(node_pins, _watch, ["mnt"]), on_change)


def _watch() -> int:
    CONF_DIRECTORY.mkdir(parents=True, exist_ok=True)
    try:
        return watch_directory(CONF_DIRECTORY)
    except OSError as error:
        raise KernelCallError(action="watch", target=str(CONF_DIRECTORY), error=error) from error
