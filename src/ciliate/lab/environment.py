"""A shell's way to a lab: KUBECONFIG, CILIATE_LAB, and a PATH on which our commands come first."""

import json
import shlex
from pathlib import Path

from ciliate.lab.paths import ROOT, LabPaths
from ciliate.lab.state import NAME_VARIABLE


def _without_labs(path: str) -> list[str]:
    """The entries of a PATH that are no lab's."""
    return [entry for entry in path.split(":") if entry and not Path(entry).is_relative_to(ROOT)]


def render_environment(paths: LabPaths, path: str) -> str:
    """Words for `eval`; `path` is the shell's PATH."""
    entries = ":".join([str(paths.commands), *_without_labs(path)])
    return "\n".join(
        [
            f"export KUBECONFIG={shlex.quote(str(paths.kubeconfig))}",
            f"export {NAME_VARIABLE}={shlex.quote(paths.name)}",
            f"export PATH={shlex.quote(entries)}",
            f'# Use it: eval "$(ciliate lab env --name {paths.name})"',
            '# Undo it: eval "$(ciliate lab env-unset)"',
        ]
    )


def environment_json(paths: LabPaths) -> str:
    """The same for programs; `PATH` is what to put in front."""
    variables = {
        "KUBECONFIG": str(paths.kubeconfig),
        NAME_VARIABLE: paths.name,
        "PATH": str(paths.commands),
    }
    return json.dumps(variables, indent=2)


def render_unset(path: str) -> str:
    """Words for `eval` that undo `render_environment`."""
    return "\n".join(
        [
            f"unset KUBECONFIG {NAME_VARIABLE}",
            f"export PATH={shlex.quote(':'.join(_without_labs(path)))}",
        ]
    )
