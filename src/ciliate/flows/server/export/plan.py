"""What changes when a file lists other flow logs than are written. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from ciliate.flows.server.export.flow_log import FlowLog
from ciliate.flows.server.export.log_list import LogList


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of flow logs."""

    add: tuple[str, ...]
    update: tuple[str, ...]
    remove: tuple[str, ...]


def plan(written: Mapping[str, FlowLog], listed: LogList) -> Changes:
    """Return what makes of what is written what is listed.

    A flow log whose entry is refused stays as it is, unless another has its file now.
    """
    paths = {each.path for each in listed.logs.values()}
    stays = {
        name for name, each in written.items() if name in listed.refused and each.path not in paths
    }
    return Changes(
        add=tuple(name for name in listed.logs if name not in written),
        update=tuple(
            name for name, each in listed.logs.items() if name in written and written[name] != each
        ),
        remove=tuple(name for name in written if name not in listed.logs and name not in stays),
    )
