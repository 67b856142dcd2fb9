"""What the CiliumBGPNodeConfig says of its sessions; steps on the way are not told."""

from dataclasses import replace

import pytest
from tests.unit.bgp.objects import SESSION, node_config, peer

from ciliate.api.bgp import CiliumBGPNodeConfig, NodeConfigStatus
from ciliate.api.metadata import Condition
from ciliate.bgp.agent.status import node_verdict, shown_verdict
from ciliate.bgp.report import SessionView
from ciliate.bgp.session_state import SessionState

CONFIG = node_config(peer())
UP = SessionState(name="established", since_s=0.0, hold_s=9, families=("ipv4", "ipv6"))


def test_an_established_session_is_told_with_what_was_agreed() -> None:
    found = node_verdict(CONFIG, [SessionView(SESSION, SESSION, UP)], ())

    (instance,) = found.instances
    (told,) = instance.peers
    assert (told.peering_state, told.established_time) == ("established", "1970-01-01T00:00:00Z")
    assert [each.advertised for each in told.route_count] == [1, 1]
    assert [status for _kind, status, *_rest in found.conditions] == ["False", "True"]
    assert found.generation == 3


@pytest.mark.parametrize("step", ["active", "connect", "open_sent", "open_confirm"])
def test_steps_make_no_write(step: str) -> None:
    first = node_verdict(CONFIG, [SessionView(SESSION, SESSION, SessionState(name="active"))], ())

    assert (
        node_verdict(CONFIG, [SessionView(SESSION, SESSION, SessionState(name=step))], ()) == first
    )


def test_problems_and_sessions_that_are_down_are_named() -> None:
    down = replace(UP, name="active", reason="it was shut down")

    found = node_verdict(CONFIG, [SessionView(SESSION, SESSION, down)], ["a", "b"])

    errors, established = found.conditions
    assert errors[1:] == ("True", "BGPReconcileError", "a; b")
    assert established[1] == "False"
    assert established[3] == "instance main, peer router: it was shut down"


def test_what_was_written_is_what_is_shown() -> None:
    found = node_verdict(CONFIG, [SessionView(SESSION, SESSION, UP)], ())
    conditions = tuple(
        Condition(type=kind, status=status, reason=reason, message=message, observed_generation=3)
        for kind, status, reason, message in found.conditions
    )
    status = NodeConfigStatus(found.instances, conditions)

    assert shown_verdict(CiliumBGPNodeConfig(metadata=CONFIG.metadata, status=status)) == found
    assert shown_verdict(CONFIG) is None
