import os
import subprocess
import sys

from ciliate.lab.environment import render_environment, render_unset
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


def test_another_labs_commands_do_not_stay_on_the_path() -> None:
    words = render_environment(LabPaths("y"), f"/run/ciliate/labs/x/bin:{LASTING}:/bin")

    assert shell(words, "echo $PATH") == f"/run/ciliate/labs/y/bin:{LASTING}:/bin\n"


def test_unset_restores_the_path() -> None:
    words = render_unset(f"/run/ciliate/labs/x/bin:{LASTING}:/usr/bin:/bin")

    text = shell(
        "export KUBECONFIG=1 CILIATE_LAB=x", words, 'echo "$PATH,$KUBECONFIG,$CILIATE_LAB"'
    )

    assert text == "/usr/bin:/bin,,\n"
