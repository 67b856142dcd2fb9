"""Executed with a configuration: ExaBGP, which ends when the agent does.

    python -m ciliate.bgp.speaker.launch CONFIGURATION PARENT

An agent that is killed must not leave a speaker behind that says what nobody decides any more; a router
with graceful restart keeps the routes until the next agent's speaker is there. Nothing of the agent is
imported here, and nothing of ExaBGP in the agent.
"""

import ctypes
import os
import runpy
import signal
import sys
from typing import Final

from ciliate.system.process_title import set_process_title

_PR_SET_PDEATHSIG: Final = 1

#: No files or ports of ExaBGP's own; root, as the agent is, since the configuration is root's
#: alone. It waits for a tenth of a second where nothing comes (`speed`): half a percent of a
#: processor. Marks of received routes are not kept.
_ENVIRONMENT: Final = {
    "exabgp.api.cli": "false",
    "exabgp.cache.attributes": "false",
    "exabgp.daemon.user": "root",
    "exabgp.log.destination": "stderr",
    "exabgp.log.level": "ERROR",
    "exabgp.log.network": "false",
    "exabgp.log.processes": "false",
    "exabgp.log.statistics": "false",
    "exabgp.reactor.speed": "10",
}


def main() -> None:
    """Become ExaBGP."""
    configuration, parent = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):
        return  # It ended before it could be bound to.
    os.environ.update(_ENVIRONMENT)
    set_process_title(f"ciliate.bgp.speaker {configuration}")
    sys.argv = ["exabgp", "server", configuration]
    runpy.run_module("exabgp", run_name="__main__")


if __name__ == "__main__":
    main()
