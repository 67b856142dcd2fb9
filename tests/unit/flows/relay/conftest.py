"""Connections and questions that are tried again at once: the product waits half a second."""

import pytest
from tests.unit.flows.relay.relay_nodes import QUICK

from ciliate.flows.relay import channels, gathering


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    others = tuple(each for each in channels._OPTIONS if each[0] not in dict(QUICK))
    monkeypatch.setattr(channels, "_OPTIONS", (*others, *QUICK))
    monkeypatch.setattr(gathering, "_PAUSE_S", 0.02)
