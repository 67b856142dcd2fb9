import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ciliate.lab.environment import (
    COMMANDS,
    link_lastingly,
    render_environment,
    render_unset,
)
from ciliate.lab.paths import LabPaths

#: Where our commands are when the lab is gone.
LASTING = f"{sys.prefix}/share/ciliate/bin"


def shell(*lines: str) -> str:
    """What bash prints for these lines."""
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return done.stdout


def test_environment_points_a_shell_to_the_lab() -> None:
    words = render_environment(LabPaths("x"), "/usr/bin:/bin")

    assert shell(words, 'echo "$KUBECONFIG $CILIATE_LAB $PATH"') == (
        f"/run/ciliate/labs/x/kubeconfig x /run/ciliate/labs/x/bin:{LASTING}:/usr/bin:/bin\n"
    )


def test_command_that_was_used_is_found_when_the_lab_is_gone(tmp_path: Path) -> None:
    """Bash would go on with the place that it remembers."""
    words = render_environment(LabPaths("x"), os.environ["PATH"])
    for folder, said in (("bin", "the lab's"), ("lasting", "ours")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "ciliate").write_text(f"#!/bin/sh\necho {shlex.quote(said)}\n")
        (tmp_path / folder / "ciliate").chmod(0o755)

    text = shell(
        words,
        f"PATH={tmp_path}/bin:{tmp_path}/lasting:$PATH",
        f"ciliate; rm -r {tmp_path}/bin; ciliate",
    )

    assert text == "the lab's\nours\n"


@pytest.mark.parametrize("program", ["dash", "sh"])
def test_environment_is_words_for_other_shells_too(program: str) -> None:
    words = render_environment(LabPaths("x"), "/usr/bin:/bin")

    done = subprocess.run(
        [program, "-euc", f"{words}\necho $CILIATE_LAB"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "x\n"


def test_lasting_commands_of_a_copied_checkout_become_its_own(tmp_path: Path) -> None:
    (tmp_path / "ciliate").symlink_to("/elsewhere/.venv/bin/ciliate")

    link_lastingly(tmp_path)
    link_lastingly(tmp_path)

    assert {link.name: link.readlink() for link in tmp_path.iterdir()} == COMMANDS


def test_another_labs_commands_do_not_stay_on_the_path() -> None:
    words = render_environment(LabPaths("y"), f"/run/ciliate/labs/x/bin:{LASTING}:/bin")

    assert shell(words, "echo $PATH") == f"/run/ciliate/labs/y/bin:{LASTING}:/bin\n"


def test_unset_restores_the_path() -> None:
    words = render_unset(f"/run/ciliate/labs/x/bin:{LASTING}:/usr/bin:/bin")

    text = shell(
        "export KUBECONFIG=1 CILIATE_LAB=x", words, 'echo "$PATH,$KUBECONFIG,$CILIATE_LAB"'
    )

    assert text == "/usr/bin:/bin,,\n"
