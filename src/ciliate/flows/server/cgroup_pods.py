"""Which pod has a control group: events of sockets name the caller's by its number (cgroups(7)).

The number is the folder's inode, and a kubelet's folders carry the UID of their pod, in systemd's
spelling with "_" for "-". A container's group is made before its processes run, and may be gone when
its flows are asked for: so a number is looked for when it is first heard of.
"""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_UID: Final = re.compile(r"[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}")

#: How often the tree is walked at most, for numbers that are not known.
WALK_S: Final = 0.2

#: Numbers that are remembered; the oldest goes.
_KNOWN_MAX: Final = 16384


class CgroupPods:
    """UIDs of pods by the number of a group below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._uids: dict[int, str] = {}
        self._unknown: set[int] = set()
        self._walked_s = -WALK_S

    def uid(self, number: int) -> str:
        """Return the UID of the pod whose group this is; empty: no pod's, as far as is known."""
        return self._uids.get(number, "")

    def learn(self, number: int) -> None:
        """Look for a group that was heard of, unless that was just done."""
        if number in self._uids:
            return
        self._unknown.add(number)
        if time.monotonic() - self._walked_s >= WALK_S:
            self.look()

    @property
    def is_looking(self) -> bool:
        """Whether a group was heard of that has not been looked for yet."""
        return bool(self._unknown)

    def look(self) -> None:
        """Look for all groups that were heard of."""
        self._walked_s = time.monotonic()
        for found, uid in self._walk(str(self._root), ""):
            self._uids.pop(found, None)
            self._uids[found] = uid
        for number in self._unknown:
            self._uids.setdefault(number, "")
        self._unknown.clear()
        while len(self._uids) > _KNOWN_MAX:
            del self._uids[next(iter(self._uids))]

    def _walk(self, folder: str, uid: str) -> Iterator[tuple[int, str]]:
        try:
            with os.scandir(folder) as entries:
                below = [each for each in entries if each.is_dir(follow_symlinks=False)]
        except OSError:  # It went meanwhile.
            return
        for each in below:
            match = _UID.search(each.name)
            own = match[0].replace("_", "-") if match else uid
            yield each.inode(), own
            yield from self._walk(each.path, own)
