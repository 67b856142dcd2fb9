"""`lab/up.py`: which parts a lab is to have, and whether the one that is up has them."""

from pathlib import Path
from typing import Any

import pytest

from ciliate.config.helm import read_changes
from ciliate.lab.paths import LabPaths
from ciliate.lab.start import LabRequest
from ciliate.lab.state import LabState, Phase, machine_state
from ciliate.lab.topology import default_machines
from ciliate.lab.up import OtherLabError, _compare, _with_relay


@pytest.mark.parametrize(
    ("words", "relay"),
    [
        ([], True),
        (["hubble.relay.enabled=false"], False),
        (["hubble.enabled=false"], False),
        (["hubble.enabled=false", "hubble.relay.enabled=true"], True),
        (["hubble-listen-address="], False),
        (["hubble-listen-address=", "hubble.relay.enabled=true"], False),
        (["hubble.listenAddress=:5000"], True),
    ],
)
def test_lab_has_a_relay_unless_no_agent_would_answer_it(*, words: list[str], relay: bool) -> None:
    changes = read_changes(words)

    assert _with_relay(changes, dns=True) is relay
    assert not _with_relay(changes, dns=False), "it finds agents by name"


def present(folder: Path, **changes: Any) -> tuple[LabPaths, LabState]:
    paths = LabPaths("x", root=folder)
    machines = [machine_state(paths, m, dual_stack=False) for m in default_machines(1)]
    told: dict[str, Any] = {"relay": True, "settings": {}} | changes
    return paths, LabState(
        name="x",
        checkout=str(Path.cwd()),
        phase=Phase.UP,
        dual_stack=False,
        api_port=1,
        machines=machines,
        **told,
    )


@pytest.mark.parametrize(
    ("relay", "words"),
    [(True, "is up with Hubble's relay"), (False, "is up with no relay of Hubble's")],
)
def test_lab_with_another_answer_to_that_is_another_lab(
    *, tmp_path: Path, relay: bool, words: str
) -> None:
    paths, state = present(tmp_path, relay=relay)
    asked = {"hubble-relay": not relay}

    with pytest.raises(OtherLabError) as refused:
        _compare(paths, state, request_of(state, parts=asked))

    assert words in str(refused.value)


def test_lab_is_the_same_where_nothing_is_said_of_the_relay(tmp_path: Path) -> None:
    paths, state = present(tmp_path, relay=False)

    _compare(paths, state, request_of(state, parts={}))


def request_of(state: LabState, *, parts: dict[str, bool]) -> LabRequest:
    return LabRequest(
        nodes=len(state.nodes),
        dual_stack=False,
        dns=True,
        settings={},
        values=(),
        parts=parts,
    )
