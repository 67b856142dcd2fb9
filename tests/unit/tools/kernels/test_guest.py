"""A guest is any process that talks on its output; a shell stands for qemu."""

from pathlib import Path

import pytest
from tools.kernels.guest import GuestError, run


async def talk(script: str, log: Path, *, deadline_s: float = 20.0) -> list[str]:
    said: list[str] = []
    await run("6.1", ["sh", "-c", script], log=log, deadline_s=deadline_s, say=said.append)
    return said


async def test_lines_are_passed_on_until_the_session_says_how_it_ended(tmp_path: Path) -> None:
    log = tmp_path / "console.log"

    said = await talk("echo booting; echo 'guest: exit 0'; exec sleep 60", log)

    assert said == ["booting"]
    assert "guest: exit 0" in log.read_text()


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo one FAILED; echo 'guest: exit 1'", "its tests failed"),
        ("echo one FAILED; echo Kernel panic", "ended without a result"),
        ("echo one FAILED; exec sleep 60", "not done within"),
    ],
)
async def test_failure_names_the_kernel_and_shows_the_console(
    tmp_path: Path, script: str, problem: str
) -> None:
    deadline_s = 1.0 if "sleep" in script else 20.0

    with pytest.raises(GuestError, match=f"kernel 6.1: .*{problem}") as caught:
        await talk(script, tmp_path / "console.log", deadline_s=deadline_s)

    assert "one FAILED" in str(caught.value)
