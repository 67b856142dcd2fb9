"""Namespaces and programs for tests that need root: made under a name of this run, and removed."""

import json
import os
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from ciliate.datapath import libbpf

_SCHED_CLS = 3


def run(*command: str) -> str:
    """Run a command and return what it printed; a failure shows its error output."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


@contextmanager
def namespaces(count: int) -> Iterator[list[str]]:
    """Make `count` network namespaces; yield the paths of their files."""
    tag = f"nlt{uuid.uuid4().hex[:6]}"
    names = [f"{tag}-{n}" for n in range(count)]
    with tempfile.NamedTemporaryFile("w", suffix=".batch") as batch:
        # One process for all: each costs more than the namespace it makes.
        batch.writelines(f"netns add {name}\n" for name in names)
        batch.flush()
        try:
            run("ip", "-batch", batch.name)
            yield [f"/run/netns/{name}" for name in names]
        finally:
            batch.seek(0)
            batch.truncate()
            batch.writelines(f"netns del {name}\n" for name in names)
            batch.flush()
            run("ip", "-force", "-batch", batch.name)


def ip(netns: str, *words: str) -> str:
    """Run `ip` in the namespace at path `netns`."""
    return run("nsenter", f"--net={netns}", "ip", *words)


def link_names(netns: str) -> set[str]:
    """Return the names of the links in the namespace at path `netns`."""
    return {link["ifname"] for link in json.loads(ip(netns, "-j", "link"))}


def load_program(verdict: int = 0) -> int:
    """Load a SCHED_CLS program that returns `verdict`; return its descriptor (TC_ACT_OK is 0)."""
    instructions = (
        bytes((0xB7, 0, 0, 0)) + verdict.to_bytes(4, "little") + bytes((0x95, 0, 0, 0, 0, 0, 0, 0))
    )
    # By libbpf, which raises the limit of locked memory that kernels before 5.11 count this against.
    descriptor: int = libbpf.library().bpf_prog_load(
        _SCHED_CLS, b"verdict", b"GPL", instructions, 2, None
    )
    assert descriptor >= 0, os.strerror(-descriptor)
    return descriptor


def program_id(descriptor: int) -> int:
    """Return the kernel's id of the program behind a descriptor."""
    with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as lines:
        found = dict(line.split(":\t", 1) for line in lines)
    return int(found["prog_id"])
