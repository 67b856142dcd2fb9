"""Versions of the CNI specification, and in what their results differ. Pure.

Source: the specification's history, containernetworking/cni, tags spec-v0.1.0 to spec-v1.1.0.
"""

from typing import Final, NewType

CniVersion = NewType("CniVersion", str)

#: Every version there has been; the last is the newest.
SUPPORTED_VERSIONS: Final = tuple(
    map(CniVersion, ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"))
)
NEWEST_VERSION: Final = SUPPORTED_VERSIONS[-1]
#: What a configuration without `cniVersion` means, to libcni too.
UNNAMED_VERSION: Final = SUPPORTED_VERSIONS[0]

#: The versions whose results hold one address per family, in `ip4` and `ip6`.
BY_FAMILY: Final = frozenset(SUPPORTED_VERSIONS[:2])
#: The versions whose results name the IP version of each address of `ips`.
NAMES_IP_VERSION: Final = frozenset(SUPPORTED_VERSIONS[2:5])
#: The versions that have no CHECK.
WITHOUT_CHECK: Final = frozenset(SUPPORTED_VERSIONS[:4])


def known_version(asked: object) -> CniVersion | None:
    """Return the version that a configuration's `cniVersion` names; None: we do not speak it."""
    if asked in (None, ""):
        return UNNAMED_VERSION
    return next((version for version in SUPPORTED_VERSIONS if version == asked), None)
