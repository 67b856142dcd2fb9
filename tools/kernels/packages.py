"""Kernels as Debian packages them: found with apt, fetched into a folder, never installed.

A release that is not the machine's own is read from the same mirrors: the lines of the machine's
sources with another suite in them. They, and the lists that belong to them, lie in a folder of
their own, so that the machine's apt knows nothing of it.
"""

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: How long apt may take, in seconds: a kernel is 70 MB.
_APT_TIMEOUT_S: Final = 300
_SOURCES: Final = Path("/etc/apt")


class PackageError(Exception):
    """A kernel could not be had; the text says which, why, and what helps."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel by the name people give it, and the suites that have it, newest version last."""

    name: str
    suites: tuple[str, ...]
    security: bool  # Whether the suites have their like in the security archive.
    by_default: bool = True  # Whether it is among those of `make kernels` and CI.


KERNELS: Final = (
    Kernel("5.10", ("bullseye",), security=True, by_default=False),
    Kernel("6.1", ("bookworm",), security=True),
    Kernel("6.12", ("bookworm-backports",), security=False),
)


@dataclass(frozen=True, slots=True)
class Source:
    """One archive that the machine reads."""

    uri: str
    suite: str
    signed_by: str

    def line(self, suite: str) -> str:
        """Return the line of sources.list(5) for another suite of this archive."""
        option = f"[signed-by={self.signed_by}] " if self.signed_by else ""
        return f"deb {option}{self.uri} {suite} main"


def one_line_sources(text: str) -> Iterator[Source]:
    """Yield the archives that a file in the one-line form names."""
    for words in re.findall(r"^deb\s+(.+)$", text, re.MULTILINE):
        options, rest = re.fullmatch(r"(?:\[(.*?)\])?\s*(.+)", words).groups()  # type: ignore[union-attr]
        uri, suite, *components = rest.split()
        if "main" in components:
            key = re.search(r"signed-by=(\S+)", options or "")
            yield Source(uri, suite, key[1] if key else "")


def deb822_sources(text: str) -> Iterator[Source]:
    """Yield the archives that a file in deb822 form names."""
    for stanza in re.split(r"\n\s*\n", text):
        fields = {
            name.lower(): value.strip()
            for name, value in re.findall(r"^([\w-]+):[ \t]*(.*)$", stanza, re.MULTILINE)
        }
        if "deb" not in fields.get("types", "").split() or fields.get("enabled") == "no":
            continue
        if "main" not in fields.get("components", "").split():
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(uri, suite, fields.get("signed-by", ""))


def machine_sources(folder: Path = _SOURCES) -> tuple[Source, ...]:
    """Return the archives of the machine's own sources."""
    found: list[Source] = []
    for path in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        if path.suffix == ".sources":
            found += deb822_sources(path.read_text())
        elif path.suffix == ".list" and path.exists():
            found += one_line_sources(path.read_text())
    return tuple(found)


def source_lines(kernel: Kernel, sources: Sequence[Source], codename: str) -> list[str]:
    """Return the lines that lead to `kernel`, of the archives where the machine's release is.

    Raises:
        PackageError: The machine's sources name no archive of Debian's.
    """
    plain = [source for source in sources if source.suite == codename]
    security = [source for source in sources if source.suite == f"{codename}-security"]
    if not plain:
        raise PackageError(
            f"kernel {kernel.name}: /etc/apt names no archive of {codename} with `main`: add it"
        )
    lines = [plain[0].line(suite) for suite in kernel.suites]
    if kernel.security and security:
        lines += [security[0].line(f"{suite}-security") for suite in kernel.suites]
    return lines


def codename(os_release: str) -> str:
    """Return the name of a Debian release from the text of os-release(5)."""
    found = re.search(r'^VERSION_CODENAME="?(\w+)', os_release, re.MULTILINE)
    return found[1] if found else ""


def fetch(kernel: Kernel, folder: Path) -> Path:
    """Return the package of `kernel`, fetched into `folder` unless it is there.

    A package that is there already is taken without asking anybody: remove it to get a newer one.

    Raises:
        PackageError: apt failed, or knows no such kernel.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if present := sorted(folder.glob("linux-image-*.deb")):
        return present[-1]
    release = Path("/etc/os-release").read_text()
    lines = source_lines(kernel, machine_sources(), codename(release))
    (folder / "sources.list").write_text("\n".join(lines) + "\n")
    (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (folder / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    _apt(kernel, folder, "apt-get", "-qq", "update")
    said = _apt(kernel, folder, "apt-cache", "depends", "linux-image-amd64")
    found = re.search(r"Depends: (linux-image-\S+)", said)
    if not found:
        raise PackageError(f"kernel {kernel.name}: {lines[0]} has no linux-image-amd64")
    _apt(kernel, folder, "apt-get", "-qq", "download", found[1])
    return next(folder.glob("linux-image-*.deb"))


def _apt(kernel: Kernel, folder: Path, command: str, *words: str) -> str:
    where = folder.resolve()
    options = {
        "Dir::Etc::sourcelist": where / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": where / "lists",
        "Dir::Cache": where / "cache",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",  # apt's own user may have no way to the checkout.
    }
    line = [command, *(f"-o{name}={value}" for name, value in options.items()), *words]
    done = subprocess.run(
        line, cwd=where, capture_output=True, text=True, timeout=_APT_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        shown = " ".join((command, *words))
        raise PackageError(f"kernel {kernel.name}: {shown}: {done.stderr.strip()}")
    return done.stdout
