"""How many descriptors a process may have, and how much of that is a listener's.

A distribution's soft limit is 1,024 for the sake of programs that use select(2). We do not: the
soft limit is raised to the hard one when a process of ours starts.
"""

import resource
from typing import Final

#: A container's hard limit may be 2^30: programs that close every descriptor up to it before they
#: become another (CNI plugins that we call) would take minutes.
OPEN_FILES_MAX: Final = 65_536

#: For maps, namespaces, state files, netlink and the API client, whoever connects to us.
RESERVED: Final = 256

#: No process has more listeners than this: all of them together leave RESERVED.
_LISTENERS_MAX: Final = 8

#: A server with less is none.
_SHARE_MIN: Final = 16


def raise_limit() -> int:
    """Raise the soft limit of open files to the hard one; return what is in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else OPEN_FILES_MAX
    wanted = max(soft, min(wanted, OPEN_FILES_MAX))
    if wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def share(wanted: int, *, listeners: int = _LISTENERS_MAX) -> int:
    """Return how many connections each of `listeners` may have: `wanted`, or what is left."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(wanted, max(_SHARE_MIN, (soft - RESERVED) // listeners))
