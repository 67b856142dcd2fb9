"""From a kernel's package to what qemu boots: the kernel, its modules, an initramfs.

Made once a package, below build/, and again when the package or what goes into the initramfs has
changed.
"""

import hashlib
import lzma
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.kernels.packages import PackageError

HERE: Final = Path(__file__).parent
_BUSYBOX: Final = Path("/bin/busybox")

#: Subtrees of /lib/modules/*/kernel that a node or the way to it may need; drivers of hardware,
#: nine tenths of a kernel, are not among them.
_SUBTREES: Final = (
    *("crypto", "lib", "net", "arch/x86/crypto", "drivers/net", "drivers/virtio"),
    *("fs/9p", "fs/netfs", "fs/fscache", "fs/overlayfs", "fs/fuse"),
)
#: Of drivers/net only what lies directly there, and these.
_DRIVERS: Final = ("wireguard", "vxlan", "bonding", "ipvlan", "team")

#: What must be there before the machine's root is.
_NEEDED: Final = ("virtio_pci", "9pnet_virtio", "9p", "overlay")


@dataclass(frozen=True, slots=True)
class BootFiles:
    """What qemu is given, and the folder of the modules, which the guest reads of the root."""

    kernel: Path
    initramfs: Path
    modules: Path


def make(package: Path, folder: Path) -> BootFiles:
    """Return the boot files of `package`, made below `folder` unless they are there.

    Raises:
        PackageError: A tool is missing or failed, or a module that is needed is not there.
    """
    stamp = folder / "made-of"
    recipe = _recipe(package)
    if not stamp.exists() or stamp.read_text() != recipe:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _unpack(package, folder)
        _make_initramfs(folder, _modules(folder))
        stamp.write_text(recipe)
    (kernel,) = (folder / "boot").glob("vmlinuz-*")
    return BootFiles(kernel, folder / "initramfs", _modules(folder))


def _recipe(package: Path) -> str:
    sources = (HERE / "init.sh", HERE / "boot_files.py", _BUSYBOX)
    digests = (hashlib.sha256(path.read_bytes()).hexdigest() for path in sources)
    return " ".join((package.name, *digests))


def _modules(folder: Path) -> Path:
    (found,) = (folder / "lib" / "modules").iterdir()
    return found


def _unpack(package: Path, folder: Path) -> None:
    wanted = ["./boot/vmlinuz-*", "./lib/modules/*/modules.*"]
    wanted += [f"./lib/modules/*/kernel/{subtree}/*" for subtree in _SUBTREES]
    wanted += [f"./usr{pattern[1:]}" for pattern in wanted]  # Where /lib is a link to /usr/lib.
    line = ["tar", "--extract", "--directory", str(folder), "--wildcards"]
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", package.absolute()], stdout=subprocess.PIPE
    ) as archive:
        # tar fails for patterns that match nothing; what is missing is seen below.
        subprocess.run(
            [*line, *wanted], stdin=archive.stdout, stderr=subprocess.DEVNULL, check=False
        )
    if (folder / "usr" / "lib").exists():
        (folder / "usr" / "lib").rename(folder / "lib")
    if not (folder / "lib" / "modules").is_dir():
        raise PackageError(f"{package.name} holds no modules: remove it, and run again")
    modules = _modules(folder)
    for driver in (modules / "kernel" / "drivers" / "net").iterdir():
        if driver.is_dir() and driver.name not in _DRIVERS:
            shutil.rmtree(driver)
    for path in modules.rglob("*.ko.xz"):  # busybox reads them as they are only in some builds.
        path.with_suffix("").write_bytes(lzma.decompress(path.read_bytes()))
        path.unlink()
    _run(_BUSYBOX, "depmod", "-b", folder, modules.name)


def load_order(dependencies: str, builtin: str, names: tuple[str, ...]) -> list[str]:
    """Return the files to load for modules `names`, each behind what it needs, none twice.

    Args:
        dependencies: The text of modules.dep: `file: files it needs`.
        builtin: The text of modules.builtin; what is in there needs no file.
        names: Names of modules.

    Raises:
        PackageError: A module is in neither.
    """
    needs: dict[str, list[str]] = {}
    for line in dependencies.splitlines():
        file, _, rest = line.partition(":")
        needs[file] = rest.split()
    by_name = {Path(file).stem.replace("-", "_"): file for file in needs}
    built_in = {Path(file).stem.replace("-", "_") for file in builtin.splitlines()}
    order: list[str] = []

    def add(file: str) -> None:
        for needed in needs[file]:
            if needed not in order:
                add(needed)
        if file not in order:
            order.append(file)

    for name in names:
        if name in by_name:
            add(by_name[name])
        elif name not in built_in:
            raise PackageError(f"the kernel has no module {name}")
    return order


def _make_initramfs(folder: Path, modules: Path) -> None:
    root = folder / "root"
    for name in ("bin", "modules", "proc", "sys", "dev", "host", "layer", "root"):
        (root / name).mkdir(parents=True)
    shutil.copy(_BUSYBOX, root / "bin" / "busybox")
    shutil.copy(HERE / "init.sh", root / "init")
    (root / "init").chmod(0o755)
    order = load_order(
        (modules / "modules.dep").read_text(), (modules / "modules.builtin").read_text(), _NEEDED
    )
    for file in order:
        shutil.copy(modules / file, root / "modules")
    (root / "modules.list").write_text("".join(f"{Path(file).name}\n" for file in order))
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    archive = subprocess.run(
        [_BUSYBOX, "cpio", "-o", "-H", "newc"],
        cwd=root,
        input=names.encode(),
        capture_output=True,
        check=True,
    )
    (folder / "initramfs").write_bytes(archive.stdout)


def _run(*words: object) -> None:
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PackageError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
