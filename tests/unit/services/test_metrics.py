"""`services/metrics.py`: events are counted, and a change's way to the maps is measured once."""

from tests.unit.services.test_book import new_book, put

from ciliate.metrics.family import Family
from ciliate.services.metrics import PENDING_MAX, Change, Filled, Ids, ServiceMetrics

DELAY = "cilium_service_implementation_delay"
LATENCY = "ciliate_network_programming_duration_seconds"


def families(metrics: ServiceMetrics) -> dict[str, Family]:
    found = metrics.families({"frontends": Filled(1, 4)}, {"backend": Ids(8, 2, 5)}, 3)
    return {each.name: each for each in found}


def measured(metrics: ServiceMetrics, name: str, *labels: str) -> tuple[int, float]:
    """Return how many, and the sum of seconds."""
    found = dict(families(metrics)[name].distributions)[labels]
    return sum(found.counts), found.total


def test_change_is_measured_from_the_event_to_the_write_that_has_it() -> None:
    metrics = ServiceMetrics()
    metrics.note(Change("update", seen_s=10.0, triggered_s=1000.0))
    metrics.taken()
    metrics.note(Change("update", seen_s=10.5, triggered_s=None))

    metrics.written(11.0, 1003.0)

    assert measured(metrics, DELAY, "update") == (1, 1.0)
    assert measured(metrics, LATENCY) == (1, 3.0)
    metrics.written(12.0, 1004.0)
    assert measured(metrics, DELAY, "update") == (1, 1.0)
    metrics.taken()
    metrics.written(12.0, 1004.0)
    assert measured(metrics, DELAY, "update") == (2, 2.5)
    assert measured(metrics, LATENCY) == (1, 3.0)


def test_clock_of_another_machine_that_is_ahead_makes_no_negative_time() -> None:
    metrics = ServiceMetrics()
    metrics.note(Change("add", seen_s=1.0, triggered_s=500.0))
    metrics.taken()
    metrics.written(1.5, 400.0)

    assert measured(metrics, LATENCY) == (1, 0.0)


def test_changes_beyond_the_bound_go_unmeasured() -> None:
    metrics = ServiceMetrics()
    for _ in range(PENDING_MAX + 5):
        metrics.note(Change("update", seen_s=0.0, triggered_s=None))
    metrics.taken()
    metrics.written(1.0, 0.0)

    assert measured(metrics, DELAY, "update") == (PENDING_MAX, float(PENDING_MAX))


def test_events_and_terminating_endpoints_are_counted() -> None:
    metrics = ServiceMetrics()
    for action in ("add", "update", "update"):
        metrics.event(action)
    metrics.terminating(2)

    found = families(metrics)
    assert dict(found["cilium_services_events_total"].samples) == {
        ("add",): 1,
        ("update",): 2,
        ("delete",): 0,
    }
    assert dict(found["cilium_k8s_terminating_endpoints_events_total"].samples) == {(): 2}


def test_room_is_told_map_by_map_and_id_by_id() -> None:
    found = families(ServiceMetrics())

    assert dict(found["cilium_bpf_map_pressure"].samples) == {("frontends",): 0.25}
    assert dict(found["cilium_loadbalancer_id_capacity"].samples) == {("backend",): 8}
    assert dict(found["cilium_loadbalancer_id_allocations"].samples) == {("backend",): 2}
    attempts = found["cilium_loadbalancer_id_allocation_attempts_total"]
    assert dict(attempts.samples) == {("backend",): 5}
    assert dict(found["ciliate_services_with_problems"].samples) == {(): 3}


def test_book_tells_how_full_the_maps_are_and_which_ids_are_used() -> None:
    book = new_book()
    put(book, "10.0.1.5", "10.0.1.6")
    put(book, "10.0.1.5")

    assert {name: each.used for name, each in book.filled().items()} == {
        "frontends": 2,  # The frontend, and what no port is for.
        "services": 1,
        "service_slots": 1,
        "source_ranges": 0,
        "maglev_tables": 0,
    }
    assert book.ids()["backend"].used == 1
    assert book.ids()["backend"].given == 2
