"""The table of mounts, proc_pid_mountinfo(5), as values."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class MountEntry:
    """A line of the mount table."""

    target: str
    kind: str
    options: str


def mount_table(path: str = "/proc/self/mountinfo") -> list[MountEntry]:
    """The mounts of the calling process, in the order they were made."""
    entries = []
    for line in Path(path).read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        kind, _, rest = after.partition(" ")
        options = rest.partition(" ")[2]
        entries.append(MountEntry(target=_unescape(fields[4]), kind=kind, options=options))
    return entries


def _unescape(text: str) -> str:
    r"""Space, tab, newline and backslash are written as `\040` and so on in the mount table."""
    for code in ("040", "011", "012", "134"):
        text = text.replace(f"\\{code}", chr(int(code, 8)))
    return text
