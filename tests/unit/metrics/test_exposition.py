"""`metrics/exposition.py`: families become the text that Prometheus reads."""

from prometheus_client.parser import text_string_to_metric_families

from ciliate.metrics.exposition import render_samples, render_text
from ciliate.metrics.family import Family, FamilyKind

EVENTS = Family(
    "cilium_ipam_events_total",
    "Addresses given and taken back.",
    ("action", "family"),
    [(("release", "ipv4"), 2), (("allocate", "ipv4"), 5)],
    FamilyKind.COUNTER,
)
POOLS = Family(
    "ciliate_ipam_pool_addresses", "Addresses by pool.", ("pool",), [(('a"b\\c\nd',), 1.5)]
)


def _parsed(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_text_is_read_back_with_names_labels_and_values() -> None:
    answer = render_text([EVENTS, POOLS], process="cilium", accept="")

    found = _parsed(answer.body.decode())
    assert answer.content_type.startswith("text/plain")
    assert found["cilium_ipam_events_total", (("action", "allocate"), ("family", "ipv4"))] == 5
    assert found["ciliate_ipam_pool_addresses", (("pool", 'a"b\\c\nd'),)] == 1.5
    assert b"# TYPE cilium_ipam_events_total counter" in answer.body


def test_process_tells_its_memory_under_its_own_name() -> None:
    answer = render_text([], process="cilium_operator", accept="")

    memory = _parsed(answer.body.decode())["cilium_operator_process_resident_memory_bytes", ()]
    assert memory > 1 << 20


def test_openmetrics_is_given_to_who_prefers_it() -> None:
    answer = render_text([EVENTS], process="cilium", accept="application/openmetrics-text")

    assert answer.content_type.startswith("application/openmetrics-text")
    assert answer.body.endswith(b"# EOF\n")


def test_version_that_is_no_number_is_answered_with_plain_text() -> None:
    accept = "application/openmetrics-text; version=abc"

    assert render_text([EVENTS], process="cilium", accept=accept).content_type.startswith("text/")


def test_samples_are_sorted_by_name_and_labels() -> None:
    found = render_samples([EVENTS, POOLS], process="cilium")

    ours = [(each.name, each.labels.get("action"), each.value) for each in found]
    assert ours[:3] == [
        ("ciliate_ipam_pool_addresses", None, 1.5),
        ("cilium_ipam_events_total", "allocate", 5),
        ("cilium_ipam_events_total", "release", 2),
    ]
    assert {each.name for each in found} > {"cilium_process_open_fds"}
