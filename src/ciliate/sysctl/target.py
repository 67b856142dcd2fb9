"""The kernel settings under /proc/sys, by name: those that should have a certain value."""

import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

from ciliate.errors import CiliateError
from ciliate.netlink.client import Rtnetlink
from ciliate.netlink.errors import NetlinkError, SysctlAbsentError
from ciliate.netlink.sysctl import read_sysctl, write_sysctl
from ciliate.reconcile.target import Failures

_log = logging.getLogger(__name__)

#: A setting that is changed again and again is logged once in this time.
_REMINDER_S: Final = 60.0


class SysctlTarget:
    """Settings of the node's network namespace. Only those that `wanted` names are looked at."""

    name = "sync-sysctls"

    def __init__(self, rtnl: Rtnetlink, wanted: Callable[[], Mapping[str, str]]) -> None:
        self._rtnl = rtnl
        self._wanted = wanted
        #: When each setting was found changed; those of the last minute.
        self._said: dict[str, float] = {}
        #: Settings that were as they should be: a change of these is somebody's doing.
        self._right: set[str] = set()
        #: What the last put found as it should be, or absent (reconcile/rewrites.py).
        self.left_alone: set[str] = set()

    async def observe(self) -> Mapping[str, str]:
        """Return the settings as they are; without those of devices that are gone."""
        wanted = self._wanted()
        found = await self._rtnl.run(lambda _channel: _read(tuple(wanted)))
        known = self._right.intersection(found)
        self._right = known | {name for name, value in found.items() if wanted[name] == value}
        return found

    async def put(self, entries: Mapping[str, str]) -> Failures[str]:
        """Set each where it differs; a device that is gone needs none."""
        changed, failures = await self._rtnl.run(lambda _channel: _write(entries))
        self.left_alone = set(entries.keys() - changed.keys())
        self._report(changed, entries)
        self._right |= entries.keys() - failures.keys()
        return failures

    async def last_writer(self, key: str) -> str:
        """Return what a setting is; the kernel notes no process."""
        found = await self._rtnl.run(lambda _channel: _read((key,)))
        return (
            f"it is {found.get(key, 'absent')} now; whose doing it was the kernel does not note:"
            " sysctl.d or another network tool, as a rule"
        )

    async def remove(self, keys: Collection[str]) -> Failures[str]:
        """Leave them: who needs a setting no more does not know who else does."""
        self._right.difference_update(keys)
        return {}

    def _report(self, changed: Mapping[str, str], entries: Mapping[str, str]) -> None:
        now_s = time.monotonic()
        self._said = {name: at for name, at in self._said.items() if now_s - at < _REMINDER_S}
        for name, value in changed.items():
            if name in self._right and name not in self._said:
                self._said[name] = now_s
                _log.warning(
                    "sysctl %s was %s, and pods' packets need %s: set again; find out who sets it"
                    " (sysctl.d, another network tool)",
                    name,
                    value,
                    entries[name],
                )


def _read(names: Collection[str]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = " ".join(read_sysctl(name).split())
        except SysctlAbsentError:
            continue
    return found


def _rank(name: str) -> tuple[bool, bool]:
    """Sort what sets others too before those: one change is one write, and is said once."""
    return "/" in name, ".conf." in name


def _write(entries: Mapping[str, str]) -> tuple[dict[str, str], dict[str, CiliateError]]:
    """Set each where it differs; return what the changed ones were, and the failures.

    Only where it differs: writing `conf.all.forwarding` again resets every device's own value.
    """
    changed: dict[str, str] = {}
    failures: dict[str, CiliateError] = {}
    for name in sorted(entries, key=_rank):
        value = entries[name]
        try:
            former = " ".join(read_sysctl(name).split())
            if former != value:
                write_sysctl(name, value)
                changed[name] = former
        except SysctlAbsentError:
            continue
        except NetlinkError as error:
            failures[name] = error
    return changed, failures
