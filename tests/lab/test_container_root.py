"""A container's root, with overlays and where the kernel can lay none over the machine's files."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from tests.lab.cluster import OWN_FOLDERS

from ciliate.lab import machine_root
from ciliate.lab.container.image import prepare_image
from ciliate.lab.container.spec import ContainerMount, ContainerSpec, Missing
from ciliate.lab.machine_root import Visible
from ciliate.lab.mounts import MountFlag, mount
from ciliate.lab.tear_down import remove_folder

CHECKOUT = Path(machine_root.__file__).parents[3]

#: Becomes a container, as a child of the zygote does, and in it the command it is given.
BECOME = """
import os, sys, msgspec
from ciliate.errors import CiliateError
from ciliate.lab.container.privileges import take_on
from ciliate.lab.container.root import enter_new_root
from ciliate.lab.container.running import fork_into
from ciliate.lab.container.spec import ContainerSpec, Privileges
spec = msgspec.json.decode(sys.argv[1], type=ContainerSpec)
pid = fork_into(spec)
if pid:
    os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
try:
    enter_new_root(spec, privileged=False)
except CiliateError as error:
    sys.exit(print(error))
take_on(Privileges())
os.execv("/bin/sh", ["sh", "-c", "exec 2>&1; " + sys.argv[2]])
"""

Inside = Callable[..., str]


#: With a colon in the image's path its folder cannot be named to overlayfs: as where it is refused.
@pytest.fixture(params=["overlay", "no:overlay"])
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    made = Path(f"/run/test-root-{os.getpid()}-{request.param}")
    made.mkdir()
    mount("tmpfs", made, "tmpfs", options="mode=755")
    mount("none", made, flags=MountFlag.PRIVATE)
    (made / "stage").mkdir()
    (made / "volume").mkdir()
    prepare_image(made / "image", Visible(checkout=CHECKOUT, environment=Path(sys.prefix)))
    yield made
    remove_folder(made)


@pytest.fixture
def inside(folder: Path) -> Inside:
    """What a script prints in a new container with such mounts."""

    def run(text: str, *mounts: ContainerMount, read_only: bool = False) -> str:
        spec = ContainerSpec(
            image=str(folder / "image"),
            stage=str(folder / "stage"),
            node_pins="",
            mounts=mounts,
            read_only_root=read_only,
        )
        words = [sys.executable, "-c", BECOME, msgspec.json.encode(spec).decode(), text]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.stdout

    return run


def test_container_has_programs_and_empty_folders_of_its_own(inside: Inside) -> None:
    found = inside("ls -A /home /root /srv /tmp /var/lib | grep -v :")
    assert set(found.split()) <= OWN_FOLDERS
    assert inside("touch /tmp/x /etc/x /var/lib/x /root/x && ls /etc/x") == "/etc/x\n"
    assert inside("ls /tmp /etc/x").startswith("ls: cannot access '/etc/x'"), "not the next one"
    home = "711" if Path(__file__).is_relative_to("/root") else "700"  # Others reach our program.
    assert inside("stat -c %a /tmp /root") == f"1777\n{home}\n"
    assert "root:x:0:0" in inside("cat /etc/passwd")
    assert "cannot access" in inside("ls /etc/shadow")


def test_nothing_of_the_machine_is_changed_by_what_a_container_writes(inside: Inside) -> None:
    name = f"ciliate-test-{os.getpid()}"

    inside(f"touch /usr/{name} /opt/{name} /etc/ssl/certs/{name}")

    assert not [top for top in ("/usr", "/opt", "/etc/ssl/certs") if Path(top, name).exists()]


def test_read_only_root_leaves_volumes_writable(inside: Inside, folder: Path) -> None:
    volume = ContainerMount(source=str(folder / "volume"), target="/data/deep")

    said = inside("touch /x /usr/x /data/deep/x; ls /data/deep", volume, read_only=True)

    assert said.count("Read-only file system") == 2
    assert said.endswith("\nx\n")


def test_container_leaves_no_mount_behind(inside: Inside, folder: Path) -> None:
    inside("true")

    mounts = Path("/proc/self/mountinfo").read_text()
    assert f"{folder}/" not in mounts
    assert list((folder / "stage").iterdir()) == []


@pytest.mark.parametrize("link", ["/etc", "../../..", "/proc/1/root"])
def test_part_of_a_volume_does_not_lead_out_of_it(inside: Inside, folder: Path, link: str) -> None:
    """A container may have put the link there; the next one asks for it as subPath."""
    (folder / "volume/link").symlink_to(link)
    part = ContainerMount(source=str(folder / "volume"), target="/part", beneath="link")

    assert inside("ls /part", part) == "open link: Invalid cross-device link\n"


def test_part_of_a_volume_is_made_where_it_is_missing(inside: Inside, folder: Path) -> None:
    source = str(folder / "volume")
    part = ContainerMount(source=source, target="/part", beneath="a/b")
    file = ContainerMount(source=f"{source}/file", target="/new/file", missing=Missing.FILE)

    assert inside("touch /part/x; echo text > /new/file; ls /part", part, file) == "x\n"

    assert (folder / "volume/a/b/x").exists()
    assert (folder / "volume/file").read_text() == "text\n"
