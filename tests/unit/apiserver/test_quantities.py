"""Quantities have one form, and requests and limits follow from them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciliate.apiserver.compute_resources import quality_of_service, resource_causes
from ciliate.apiserver.quantities import QuantityError, amount, canonical


@pytest.mark.parametrize(
    ("given_as", "stored"),
    [
        (1, "1"),
        (0.5, "500m"),
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        (1000, "1k"),
        (1500, "1500"),
        (1000.0, "1k"),
        ("1e3", "1e3"),
        ("5e-1", "500e-3"),
        ("1E", "1E"),
        ("1E3", "1e3"),
        ("1.5Gi", "1536Mi"),
        ("1024Mi", "1Gi"),
        ("1000Ki", "1000Ki"),
        ("0.5Ki", "512"),
        ("1.5", "1500m"),
        ("0.1Ki", "102400m"),
        ("100n", "100n"),
        ("0.1n", "1n"),
        ("-0.5", "-500m"),
        ("+1", "1"),
        (".5", "500m"),
        ("5.", "5"),
        ("0", "0"),
        ("0Gi", "0"),
        ("010", "10"),
        (" 1 ", "1"),
        ("100Ei", "9223372036854775807"),
    ],
)
def test_a_quantity_is_stored_in_its_canonical_form(given_as: Any, stored: str) -> None:
    assert canonical(given_as) == stored


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must match the regular expression"),
        ("Mi", "must match the regular expression"),
        ("1 Gi", "must match the regular expression"),
        ("ten", "must match the regular expression"),
        ("1Gi2x", "must match the regular expression"),
        ("1.1.1", "unable to parse numeric part"),
        (".", "unable to parse numeric part"),
        ("1MB", "must match the regular expression"),
        ("1KK", "unable to parse quantity's suffix"),
        ("1e", "unable to parse quantity's suffix"),
        ("1K", "unable to parse quantity's suffix"),
    ],
)
def test_what_is_no_quantity_is_refused(text: str, problem: str) -> None:
    with pytest.raises(QuantityError, match=problem):
        canonical(text)


@given(
    st.integers(-(10**6), 10**6),
    st.integers(0, 999),
    st.sampled_from(["", "m", "u", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "E-2"]),
)
def test_the_canonical_form_is_the_same_amount_and_its_own(
    whole: int, part: int, suffix: str
) -> None:
    text = f"{whole}.{part:03}{suffix}"

    assert amount(canonical(text)) == amount(text)
    assert canonical(canonical(text)) == canonical(text)


def container(requests: Any = None, limits: Any = None) -> dict[str, Any]:
    return {"name": "c", "resources": {"requests": requests or {}, "limits": limits or {}}}


BOTH = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"containers": [{}]}, "BestEffort"),
        ({"containers": [container({"cpu": "0"})]}, "BestEffort"),
        ({"containers": [container({"ephemeral-storage": "1Gi"})]}, "BestEffort"),
        ({"containers": [container({"cpu": "1"})]}, "Burstable"),
        ({"containers": [container(BOTH, BOTH)]}, "Guaranteed"),
        (
            {"containers": [container({"cpu": "1000m", "memory": "1024Mi"}, BOTH)]},
            "Guaranteed",
        ),
        ({"containers": [container(BOTH, {**BOTH, "cpu": "2"})]}, "Burstable"),
        ({"containers": [container(BOTH, BOTH), {}]}, "Burstable"),
        ({"containers": [container(BOTH, BOTH)], "initContainers": [{}]}, "Burstable"),
        ({"containers": [{}], "initContainers": [container({"cpu": "1"})]}, "Burstable"),
    ],
)
def test_a_pods_class_is_by_requests_and_limits_of_all_containers(
    spec: dict[str, Any], expected: str
) -> None:
    assert quality_of_service(spec) == expected


@pytest.mark.parametrize(
    ("one", "problem"),
    [
        (container({"cpu": "-1"}), 'requests[cpu]: Invalid value: "-1": must be greater than or'),
        (
            container({"cpu": "2"}, {"cpu": "1500m"}),
            'requests: Invalid value: "2": must be less than or equal to cpu limit of 1500m',
        ),
        (container({"cups": "1"}), "must be a standard resource for containers"),
        (container({"a b/c": "1"}), "prefix part a lowercase RFC 1123 subdomain"),
        (container({"cpu": "1", "example.org/gpu": "1", "hugepages-2Mi": "1"}), ""),
    ],
)
def test_requests_and_limits_are_checked(one: dict[str, Any], problem: str) -> None:
    causes = [f"{c.field}: {c.message}" for c in resource_causes(one, "c")]

    assert any(problem in cause for cause in causes) if problem else causes == []
