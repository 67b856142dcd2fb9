"""The table and the document, from an answer made up."""

import json
from dataclasses import replace

import pytest
from benchmarks.pairing import Better, Budget, Measurement, Metric
from benchmarks.report import Answer, Setting, document, number, render

SETTING = Setting(
    processor="AMD EPYC",
    processors=2,
    memory_mib=24105,
    kernel="6.18.44",
    commit="0123456789ab",
    date="2026-11-21T22:00:00+00:00",
    idle=0.99,
    versions={"iperf3": "3.12"},
)

ANSWER = Answer(
    name="pod_to_pod",
    question="how fast are pods?",
    measurements=(
        Measurement(
            Metric("stream", "Gbit/s", Better.HIGHER),
            {"host": (30.0,) * 9, "ciliate": (27.0,) * 9},
            baselines=("host", "ptp"),
            budgets=(Budget("ciliate", "host", 0.95), Budget("ciliate", "ptp", 1.0)),
        ),
    ),
    notes=("TCP with cubic",),
)


def test_the_table_shows_every_candidate_beside_the_baseline() -> None:
    lines = render(ANSWER, SETTING).splitlines()

    row = next(line for line in lines if line.startswith("  ciliate"))
    assert "27.0 to 27.0" in row
    assert "0.90 (0.90 to 0.90)" in row


def test_the_table_says_which_budget_was_missed_and_which_was_not_measured() -> None:
    table = render(ANSWER, SETTING)

    assert "at least 0.95 of host: MISSED" in table
    assert "at least 1 of ptp: not measured" in table


def test_the_table_names_machine_kernel_and_commit() -> None:
    table = render(ANSWER, SETTING)

    for fact in ("AMD EPYC", "6.18.44", "0123456789ab", "2026-11-21"):
        assert fact in table


def test_a_busy_machine_forbids_quoting_its_figures() -> None:
    assert "BUSY" not in render(ANSWER, SETTING)
    assert "BUSY: 60% of the machine" in render(ANSWER, replace(SETTING, idle=0.4))


def test_few_rounds_are_called_a_try_out() -> None:
    taken = Measurement(Metric("RR 1", "1/s", Better.HIGHER), {"host": (1.0,) * 8})

    assert "8 (try-out)" in render(Answer("name", "question?", (taken,)), SETTING)


def test_an_answer_without_measurements_is_a_heading() -> None:
    assert "question?" in render(Answer("name", "question?", ()), SETTING)


def test_the_document_holds_every_sample_and_survives_json() -> None:
    found = json.loads(json.dumps(document(ANSWER, SETTING)))

    candidate = found["measurements"][0]["candidates"]["ciliate"]
    assert candidate["samples"] == [27.0] * 9
    assert candidate["ratios"]["host"]["median"] == 0.9
    assert "ptp" not in candidate["ratios"]
    assert found["setting"]["commit"] == "0123456789ab"
    assert found["measurements"][0]["budgets"][0]["kept"] is False


@pytest.mark.parametrize(
    ("value", "text"),
    [(123456.7, "123,457"), (12.345, "12.3"), (9.876, "9.88"), (0.05432, "0.0543"), (0, "0")],
)
def test_numbers_keep_three_digits(value: float, text: str) -> None:
    assert number(value) == text
