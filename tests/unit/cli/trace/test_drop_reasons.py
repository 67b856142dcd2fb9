"""`cli/trace/drop_reasons.py`: every reason that the programs have is explained."""

import pytest

from ciliate.cli.trace.drop_reasons import drop_cause
from ciliate.cli.trace.event import Drop
from ciliate.datapath.layout import DropReason

REASONS = [
    each for each in DropReason if each not in {DropReason.FORWARDED, DropReason.DROP_REASON_COUNT}
]
NAMES = {"pod": "default/curl-pod", "destination": "203.0.113.10", "service": "default/webpod"}


@pytest.mark.parametrize("reason", REASONS)
def test_reason_of_the_programs_has_words_of_its_own(reason: DropReason) -> None:
    cause = drop_cause(Drop(int(reason)))

    assert "does not know" not in cause.behind
    for text in (cause.why, cause.behind, cause.remedy):
        assert text.format(**NAMES)


def test_same_reason_elsewhere_has_another_cause() -> None:
    at_pod, at_device = (
        drop_cause(Drop(int(DropReason.DROP_INVALID_SOURCE_IP), file))
        for file in ("from_pod.bpf.c", "arrive.h")
    )

    assert at_pod != at_device


def test_reason_of_another_datapath_keeps_its_text() -> None:
    assert drop_cause(Drop(133)).why == "policy denied"
