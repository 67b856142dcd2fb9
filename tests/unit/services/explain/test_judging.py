"""`services/explain/judging.py`: what the maps hold decides, and what the API says otherwise is named."""

from ipaddress import IPv4Address

import pytest
from tests.unit.services.service_objects import ENDING, UNREADY, endpoint, key, octets
from tests.unit.services.test_book import new_book, put

from ciliate.datapath.layout import Backend
from ciliate.services.explain.answer import EndpointVerdict
from ciliate.services.explain.judging import LiveSet, endpoint_verdicts
from ciliate.services.report import SetVerdicts


def of(*endpoints: object) -> SetVerdicts:
    book = new_book()
    put(book, *endpoints)
    (found,) = book.verdicts(key())
    return found


def slots(*addresses: str) -> tuple[Backend, ...]:
    return tuple(Backend(octets(text), 8080, int(IPv4Address(text)) & 0xFF) for text in addresses)


def told(of_set: SetVerdicts, live: LiveSet) -> dict[str, EndpointVerdict]:
    return {each.endpoint: each for each in endpoint_verdicts(of_set, live)}


def test_endpoint_in_a_slot_is_chosen_and_others_are_not_for_the_api_s_reason() -> None:
    ending, unready = (
        endpoint("10.0.1.6", conditions=ENDING),
        endpoint("10.0.1.7", conditions=UNREADY),
    )

    found = told(of("10.0.1.5", ending, unready), LiveSet(slots("10.0.1.5")))

    assert found["10.0.1.5:8080"].chosen
    assert found["10.0.1.5:8080"].slot == 1
    assert [found[f"10.0.1.{n}:8080"].because for n in (6, 7)] == [
        "terminating, and a ready one exists",
        "not ready",
    ]
    assert not any(each.difference for each in found.values())


def test_endpoint_that_the_map_lacks_is_not_chosen_and_the_difference_is_named() -> None:
    (found,) = told(of("10.0.1.5"), LiveSet()).values()

    assert (found.chosen, found.because) == (False, "not in the map yet")
    assert found.difference == "the API says that it would be"


def test_endpoint_that_does_not_fit_is_told_apart_from_one_that_comes() -> None:
    (found,) = told(of("10.0.1.5")._replace(missing=1), LiveSet()).values()

    assert found.because == "the map has no room for it"


def test_endpoint_that_is_in_the_map_still_is_chosen_and_the_difference_is_named() -> None:
    unready = endpoint("10.0.1.5", conditions=UNREADY)

    (found,) = told(of(unready), LiveSet(slots("10.0.1.5"))).values()

    assert found.chosen
    assert found.difference == "in the map still, but by the API not ready"


def test_backend_that_no_slice_names_is_told() -> None:
    found = told(of("10.0.1.5"), LiveSet(slots("10.0.1.5", "10.0.1.9")))

    assert found["10.0.1.9:8080"].chosen
    assert found["10.0.1.9:8080"].slot == 2
    assert found["10.0.1.9:8080"].difference.startswith("no EndpointSlice names it")


def test_affinity_leaves_the_one_that_it_holds() -> None:
    live = LiveSet(slots("10.0.1.5", "10.0.1.6"), held=6, held_s=12.4)

    found = told(of("10.0.1.5", "10.0.1.6"), live)

    why = "affinity holds 10.0.1.6:8080 for 12 s more"
    assert [(each.chosen, each.because) for each in found.values()] == [(False, why), (True, why)]


def test_affinity_to_a_backend_that_is_in_no_slot_holds_nothing() -> None:
    live = LiveSet(slots("10.0.1.5"), held=6, held_s=12)

    (found,) = told(of("10.0.1.5"), live).values()

    assert (found.chosen, found.because) == (True, "")


@pytest.mark.parametrize("in_map", [True, False])
def test_client_whom_no_frontend_takes_gets_none(*, in_map: bool) -> None:
    live = LiveSet(slots("10.0.1.5") if in_map else (), barred="no address takes it")

    (found,) = told(of("10.0.1.5"), live).values()

    assert (found.chosen, found.because) == (False, "no address takes it")
