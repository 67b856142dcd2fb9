"""`flows/server/metrics/departures.py`: who is gone for long enough."""

import msgspec
from tests.unit.flows.server.sample_records import DB, WEB

from ciliate.flows.feed import PodGone
from ciliate.flows.server.metrics.departures import STAY_S, Departures

NAME = ("shop", "web-0")
GONE = PodGone(key=WEB.key, at_ns=5)


def departures() -> Departures:
    found = Departures()
    for line in (WEB, DB):
        found.take(line, 0)
    return found


def test_pod_and_its_addresses_are_due_a_minute_after_they_went() -> None:
    pods = departures()
    pods.take(GONE, 100)

    assert list(pods.due(100 + STAY_S - 1)) == []
    assert set(pods.due(100 + STAY_S)) == {NAME, *WEB.addresses}
    assert list(pods.due(1000)) == []


def test_pod_that_comes_back_by_its_name_stays_and_its_former_address_goes() -> None:
    pods = departures()
    pods.take(GONE, 100)
    pods.take(msgspec.structs.replace(WEB, key="endpoint 8", addresses=WEB.addresses[:1]), 110)

    assert list(pods.due(1000)) == [WEB.addresses[1]]


def test_pod_whose_labels_change_stays() -> None:
    pods = departures()
    pods.take(msgspec.structs.replace(WEB, labels=("k8s:app=other",)), 100)

    assert list(pods.due(1000)) == []


def test_series_of_a_pod_that_is_gone_already_goes_too() -> None:
    pods = departures()
    pods.take(GONE, 0)
    assert NAME in set(pods.due(100))

    pods.note(NAME, 100)
    pods.note(("shop-db", "db-0"), 100)

    assert list(pods.due(100 + STAY_S)) == [NAME]
