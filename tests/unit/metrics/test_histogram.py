"""`metrics/histogram.py`, and how a histogram is exposed."""

from prometheus_client.parser import text_string_to_metric_families

from ciliate.metrics.exposition import render_samples, render_text
from ciliate.metrics.family import Family, FamilyKind
from ciliate.metrics.histogram import Histogram


def delays() -> Family:
    found = Histogram((0.5, 1.0))
    for value in (0.25, 0.5, 0.75, 8.0):
        found.observe(value)
    return Family(
        "cilium_delay",
        "Delays.",
        ("action",),
        (),
        FamilyKind.HISTOGRAM,
        [(("add",), found.snapshot())],
    )


def test_value_at_a_bound_is_in_its_bucket_and_buckets_are_cumulative() -> None:
    ((_, found),) = delays().distributions

    assert found.buckets == [("0.5", 2), ("1.0", 3), ("+Inf", 4)]
    assert found.total == 9.5


def test_histogram_is_read_back_with_buckets_count_and_sum() -> None:
    text = render_text([delays()], process="cilium", accept="").body.decode()

    found = {
        (sample.name, sample.labels.get("le", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.labels.get("action") == "add"
    }
    assert found == {
        ("cilium_delay_bucket", "0.5"): 2,
        ("cilium_delay_bucket", "1.0"): 3,
        ("cilium_delay_bucket", "+Inf"): 4,
        ("cilium_delay_count", ""): 4,
        ("cilium_delay_sum", ""): 9.5,
    }
    assert b"# TYPE cilium_delay histogram" in text.encode()


def test_samples_of_a_histogram_are_listed_as_cilium_s_api_has_them() -> None:
    names = {each.name for each in render_samples([delays()], process="cilium")}

    assert {"cilium_delay_bucket", "cilium_delay_count", "cilium_delay_sum"} <= names
