"""`lab/up.py`: which parts a lab is to have, and whether the one that is up has them."""

from pathlib import Path
from typing import Any

import pytest

from ciliate.config.helm import read_changes
from ciliate.errors import SettingError
from ciliate.lab.paths import LabPaths
from ciliate.lab.start import LabRequest
from ciliate.lab.state import LabState, Phase, machine_state
from ciliate.lab.topology import default_machines
from ciliate.lab.up import OtherLabError, _compare, _parts

BOTH = ("hubble-relay", "hubble-ui")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ([], BOTH),
        (["hubble.relay.enabled=false"], ()),
        (["hubble.enabled=false"], ()),
        (["hubble.enabled=false", "hubble.relay.enabled=true"], BOTH),
        (["hubble-listen-address="], ()),
        (["hubble-listen-address=", "hubble.relay.enabled=true"], ()),
        (["hubble.listenAddress=:5000"], BOTH),
        (["hubble.ui.enabled=false"], ("hubble-relay",)),
        (["hubble.ui.enabled=true"], BOTH),
        (["hubble.relay.enabled=false", "hubble.ui.enabled=false"], ()),
    ],
)
def test_lab_has_relay_and_page_unless_no_agent_would_answer(
    words: list[str], parts: tuple[str, ...]
) -> None:
    changes = read_changes(words)

    assert _parts(changes, dns=True) == parts


def test_relay_finds_agents_by_name_so_there_is_none_without_dns() -> None:
    assert _parts(read_changes([]), dns=False) == ()


@pytest.mark.parametrize(
    ("words", "dns"),
    [
        (["hubble.ui.enabled=true", "hubble.relay.enabled=false"], True),
        (["hubble.ui.enabled=true", "hubble-listen-address="], True),
        (["hubble.ui.enabled=true"], False),
    ],
)
def test_page_that_would_have_no_relay_is_refused(*, words: list[str], dns: bool) -> None:
    with pytest.raises(SettingError, match=r"hubble\.ui\.enabled: 'true' needs the relay"):
        _parts(read_changes(words), dns=dns)


def present(folder: Path, **changes: Any) -> tuple[LabPaths, LabState]:
    paths = LabPaths("x", root=folder)
    machines = [machine_state(paths, m, dual_stack=False) for m in default_machines(1)]
    told: dict[str, Any] = {"settings": {}} | changes
    return paths, LabState(
        name="x",
        checkout=str(Path.cwd()),
        phase=Phase.UP,
        dual_stack=False,
        api_port=1,
        machines=machines,
        **told,
    )


@pytest.mark.parametrize("part", BOTH)
@pytest.mark.parametrize("is_there", [True, False])
def test_lab_with_another_answer_to_that_is_another_lab(
    *, tmp_path: Path, part: str, is_there: bool
) -> None:
    paths, state = present(tmp_path, parts=[part] if is_there else [])
    asked = {part: not is_there}

    with pytest.raises(OtherLabError) as refused:
        _compare(paths, state, request_of(state, said_of_parts=asked))

    assert f"is up with {part if is_there else f'no {part}'}:" in str(refused.value)


def test_lab_is_the_same_where_nothing_is_said_of_its_parts(tmp_path: Path) -> None:
    paths, state = present(tmp_path, parts=[])

    _compare(paths, state, request_of(state, said_of_parts={}))


def request_of(state: LabState, *, said_of_parts: dict[str, bool]) -> LabRequest:
    return LabRequest(
        nodes=len(state.nodes),
        dual_stack=False,
        dns=True,
        settings={},
        values=(),
        said_of_parts=said_of_parts,
    )


@pytest.mark.parametrize(
    ("there", "wanted", "refused"),
    [(False, True, True), (True, True, False), (True, False, False), (False, False, False)],
)
def test_lab_without_prometheus_is_another_than_one_with_and_not_the_other_way_round(
    *, tmp_path: Path, there: bool, wanted: bool, refused: bool
) -> None:
    paths, state = present(tmp_path, monitoring=there)
    request = LabRequest(
        nodes=1, dual_stack=False, dns=True, settings={}, values=(), monitoring=wanted
    )

    if refused:
        with pytest.raises(OtherLabError, match="no Prometheus"):
            _compare(paths, state, request)
    else:
        _compare(paths, state, request)
