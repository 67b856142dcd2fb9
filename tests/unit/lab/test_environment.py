import os
import subprocess

from ciliate.lab.environment import render_environment, render_unset
from ciliate.lab.paths import LabPaths


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
        "/run/ciliate/labs/x/kubeconfig x /run/ciliate/labs/x/bin:/usr/bin:/bin\n"
    )


def test_another_labs_commands_do_not_stay_on_the_path() -> None:
    words = render_environment(LabPaths("y"), "/run/ciliate/labs/x/bin:/bin")

    assert shell(words, "echo $PATH") == "/run/ciliate/labs/y/bin:/bin\n"


def test_unset_restores_the_path() -> None:
    words = render_unset("/run/ciliate/labs/x/bin:/usr/bin:/bin")

    text = shell(
        "export KUBECONFIG=1 CILIATE_LAB=x", words, 'echo "$PATH,$KUBECONFIG,$CILIATE_LAB"'
    )

    assert text == "/usr/bin:/bin,,\n"
