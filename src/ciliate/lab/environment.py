"""A shell's way to a lab: KUBECONFIG, CILIATE_LAB, and a PATH on which our commands come first.

The commands lie in the lab's folder, and once more beside the program: a shell that was told of a
lab still has `ciliate` when that lab is gone.
"""

import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from ciliate.lab.bundled_kubectl import bundled_kubectl
from ciliate.lab.paths import LAB_SHELL_COMMANDS, ROOT, LabPaths
from ciliate.lab.state import NAME_VARIABLE

#: The programs that a lab's machines, and the shells of its users, find on their PATH.
COMMANDS: Final[Mapping[str, Path]] = {
    name: Path(sys.prefix) / "bin" / name for name in ("ciliate", "cilium", "cilium-dbg", "hubble")
}

#: The same beside this program. Its own folder has a Python and a pip that no user asked for.
_LASTING: Final = Path(sys.prefix) / "share/ciliate/bin"


def commands_of(path: str) -> dict[str, Path]:
    """Return COMMANDS, and kubectl where a PATH has none that is new enough and set-up brought one."""
    kubectl = bundled_kubectl(path)
    return {**COMMANDS, **({"kubectl": kubectl} if kubectl is not None else {})}


def link_commands(paths: LabPaths, commands: Mapping[str, Path]) -> None:
    """Make the folders that `render_environment` names, the lab's with these commands."""
    for name, target in commands.items():
        (paths.commands / name).symlink_to(target)
    for name in LAB_SHELL_COMMANDS:
        (paths.commands / name).symlink_to(COMMANDS["ciliate"])
    with suppress(OSError):  # A read-only installation; then only the lab has them.
        link_lastingly(_LASTING)


def link_lastingly(folder: Path) -> None:
    """Make links to our commands in `folder`; those of a checkout that was copied lead elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, target in COMMANDS.items():
        link = folder / name
        if link.is_symlink() and link.readlink() == target:
            continue
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def _without_labs(path: str) -> list[str]:
    """The entries of a PATH that are not ours."""
    return [
        entry
        for entry in path.split(":")
        if entry and not Path(entry).is_relative_to(ROOT) and Path(entry) != _LASTING
    ]


def render_environment(paths: LabPaths, path: str) -> str:
    """Words for `eval`; `path` is the shell's PATH."""
    entries = ":".join([str(paths.commands), str(_LASTING), *_without_labs(path)])
    return "\n".join(
        [
            f"export KUBECONFIG={shlex.quote(str(paths.kubeconfig))}",
            f"export {NAME_VARIABLE}={shlex.quote(paths.name)}",
            f"export PATH={shlex.quote(entries)}",
            # bash remembers where it found a command, and asks no further when it is gone from there.
            '[ -z "${BASH_VERSION-}" ] || shopt -s checkhash',
            f'# Use it: eval "$(ciliate lab env --name {paths.name})"',
            '# Undo it: eval "$(ciliate lab env-unset)"',
        ]
    )


def environment_variables(paths: LabPaths) -> Mapping[str, str]:
    """The same for programs; `PATH` is what to put in front."""
    return {
        "KUBECONFIG": str(paths.kubeconfig),
        NAME_VARIABLE: paths.name,
        "PATH": str(paths.commands),
    }


def render_unset(path: str) -> str:
    """Words for `eval` that undo `render_environment`."""
    return "\n".join(
        [
            f"unset KUBECONFIG {NAME_VARIABLE}",
            f"export PATH={shlex.quote(':'.join(_without_labs(path)))}",
        ]
    )
