"""The files every container begins with: this machine's programs, and an /etc that tells nothing.

The lab unpacks no images: the one it has is made of the host's /usr and /opt, a few files of its
/etc that programs need, and empty folders for the rest. What is under /root, /home, /var, /srv or
anywhere else on the host is not part of it. It is made once per lab; `root` lays each container's
own layer over it.
"""

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from ciliate.lab.machine_root import Visible

#: Folders of programs; where they are links (/bin to /usr/bin), so they are in the image.
_PROGRAMS: Final = ("usr", "opt", "bin", "sbin", "lib", "lib32", "lib64", "libx32")

_EMPTY: Final = (
    "dev",
    "etc/cni",
    "home",
    "media",
    "mnt",
    "proc",
    "run/lock",
    "srv",
    "sys",
    "var/cache",
    "var/lib",
    "var/log",
    "var/mail",
    "var/spool",
)

#: Folders of /etc with hundreds of entries, which are shown as they are.
_ETC_SHOWN: Final = ("alternatives", "pki/ca-trust", "pki/tls/certs", "ssl/certs")

#: What else programs read in /etc, which is copied.
_ETC: Final = (
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "debian_version",
    "environment",
    "ethertypes",
    "gai.conf",
    "host.conf",
    "inputrc",
    "iproute2",
    "issue",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "localtime",
    "login.defs",
    "magic",
    "magic.mime",
    "mime.types",
    "netconfig",
    "networks",
    "nsswitch.conf",
    "os-release",
    "perl",
    "profile",
    "profile.d",
    "protocols",
    "python3",
    "rpc",
    "services",
    "shells",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
    "vim",
    "wgetrc",
    "xattr.conf",
)

#: Users below it are programs' own, as tcpdump's; above it are people.
_FIRST_PERSON: Final = 1000
_NOBODY: Final = 65534


class Image(msgspec.Struct, frozen=True):
    """What a container's root is laid upon."""

    skeleton: str
    """The folder of the image's own files."""
    layered: tuple[str, ...]
    """Folders of the host that a container sees as its own, and may write to."""
    shown: tuple[str, ...]
    """Folders of the host that a container reads."""


#: Made once, in the zygote: a child of it would look into the class anew.
_DECODER: Final = msgspec.json.Decoder(Image)


def prepare_image(folder: Path, visible: Visible) -> None:
    """Make the lab's image in `folder`; our own program is in it, for what runs in its name."""
    skeleton = folder / "root"
    skeleton.mkdir(parents=True)
    layered = list(_programs(skeleton))
    own = (Path(__file__).parents[2], visible.environment, Path(sys.base_prefix))
    shown = [*_etc(skeleton / "etc"), *_outside(own, layered)]
    for path in (*_EMPTY, *shown, *layered):
        (skeleton / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    home = skeleton / "root"
    # Where our program lies below it, others may pass, and list nothing.
    mode = 0o711 if home.exists() else 0o700
    home.mkdir(exist_ok=True)
    home.chmod(mode)
    for path in ("tmp", "var/tmp"):
        (skeleton / path).mkdir(exist_ok=True)  # Our program may lie below it.
        (skeleton / path).chmod(0o1777)
    for path, target in (("run", "/run"), ("lock", "/run/lock")):
        (skeleton / "var" / path).symlink_to(target)
    image = Image(str(skeleton), tuple(layered), tuple(shown))
    (folder / "image.json").write_bytes(msgspec.json.encode(image))


def read_image(folder: Path) -> Image:
    """The image that `prepare_image` made in `folder`."""
    return _DECODER.decode((folder / "image.json").read_bytes())


def _programs(skeleton: Path) -> Iterable[str]:
    for name in _PROGRAMS:
        path = Path("/", name)
        if path.is_symlink():
            (skeleton / name).symlink_to(os.readlink(path))
        elif path.is_dir():
            yield str(path)


def _outside(folders: Iterable[Path], layered: Iterable[str]) -> list[str]:
    """Those of `folders` that the image does not have yet, each once."""
    found: list[str] = []
    for folder in sorted(set(folders)):
        if not any(folder.is_relative_to(other) for other in (*layered, *found)):
            found.append(str(folder))
    return found


def _etc(target: Path) -> list[str]:
    """Fill the image's /etc; return the folders of the host's that are to be shown in it."""
    target.mkdir()
    for name in _ETC:
        source = Path("/etc", name)
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target / name, symlinks=True)
        elif source.exists():
            shutil.copy(source, target / name, follow_symlinks=not _stays(source))
    (target / "mtab").symlink_to("/proc/self/mounts")
    for name in ("passwd", "group"):
        text = Path("/etc", name).read_text(encoding="utf-8", errors="surrogateescape")
        users = "".join(line for line in text.splitlines(keepends=True) if not _is_person(line))
        (target / name).write_text(users, encoding="utf-8", errors="surrogateescape")
    return [f"/etc/{name}" for name in _ETC_SHOWN if Path("/etc", name).is_dir()]


def _stays(source: Path) -> bool:
    """Whether a link leads to where the image has the same."""
    return source.is_symlink() and source.resolve().is_relative_to("/usr")


def _is_person(line: str) -> bool:
    """Whether a line of /etc/passwd or /etc/group is of a person with an account here."""
    fields = line.split(":")
    number = int(fields[2]) if len(fields) > 2 and fields[2].isdecimal() else _FIRST_PERSON
    return number >= _FIRST_PERSON and number != _NOBODY
