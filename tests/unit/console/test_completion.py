"""`console/completion.py`: what is typed in each shell comes back as that shell takes it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.prefix) / "bin"

#: A line up to the cursor, and what replaces the word that the cursor is in.
LINES = [
    ("ciliate la", ["lab"]),
    ("ciliate lab up --set enable-ipv4-masq", ["enable-ipv4-masquerade="]),
    ("ciliate lab up --set enable-ipv4-masquerade=", ["true", "false"]),
    ("ciliate lab up --set bpf.masquerade=t", ["true"]),
    ("ciliate ipam migrate --set routingM", ["routingMode="]),
    ("cilium config get ipam-default", ["ipam-default-ip-pool"]),
    ("cilium config set ipam clu", ["cluster-pool"]),
    ("cilium config set enable-ipv4 ", ["true", "false"]),
    ("cilium-dbg status -o js", ["json", "jsonpath="]),
    ("cilium-dbg completion f", ["fish"]),
    ("hubble sta", ["status"]),
    ("hubble observe --verdict DR", ["DROPPED"]),
    ("hubble observe --not --type policy", ["policy-verdict"]),
    ("hubble observe flows -o js", ["json", "jsonpb"]),
]

#: Fills COMPREPLY as bash would after the tab key; compopt works below readline alone.
BASH = """
compopt() { :; }
source <("$PROGRAM" completion bash)
COMP_LINE=$LINE; COMP_POINT=${#LINE}
$FUNCTION "$PROGRAM"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def environment(**more: str) -> dict[str, str]:
    """Programs by name, and no cluster to ask."""
    path = f"{BIN}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": "/nowhere", "KUBECONFIG": "/nowhere", **more}


def printed(words: list[str], **more: str) -> list[str]:
    done = subprocess.run(
        words, env=environment(**more), capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(("line", "found"), LINES)
def test_bash_replaces_the_piece_behind_the_last_break(line: str, found: list[str]) -> None:
    program = line.partition(" ")[0]
    function = f"_{program.replace('-', '_')}_completion"

    assert printed(["bash", "-c", BASH], LINE=line, PROGRAM=program, FUNCTION=function) == found


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish on this machine")
@pytest.mark.parametrize(("line", "found"), LINES)
def test_fish_is_offered_whole_words(line: str, found: list[str]) -> None:
    program = line.partition(" ")[0]
    script = f"{program} completion fish | source; complete -C '{line}'"

    offered = [word.partition("\t")[0] for word in printed(["fish", "--no-config", "-c", script])]

    typed = line.rpartition(" ")[2]
    before = typed[: typed.rfind("=") + 1]
    assert sorted(offered) == sorted(f"{before}{word}" for word in found)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("ciliate lab up --set=enable-ipv4-masq", "--set=enable-ipv4-masquerade="),
        ("ciliate lab status --output=na", "--output=name"),
        ("ciliate lab status -o na", "name"),
    ],
)
def test_zsh_is_offered_whole_words(words: str, found: str) -> None:
    count = str(len(words.split()) - 1)

    lines = printed(
        ["ciliate"], COMP_WORDS=words, COMP_CWORD=count, _CILIATE_COMPLETE="zsh_complete"
    )

    assert lines == ["plain", found, "_"]


def test_zsh_leaves_no_blank_behind_what_goes_on() -> None:
    script = "\n".join(printed(["ciliate", "completion", "zsh"]))

    assert "compadd -U -V unsorted -S ''" in script


def test_cluster_that_is_not_there_offers_nothing_and_says_nothing() -> None:
    line = "ciliate ipam status --node "

    assert printed(
        ["ciliate"], COMP_LINE=line, COMP_POINT=str(len(line)), _CILIATE_COMPLETE="bash_complete"
    ) == [""]
