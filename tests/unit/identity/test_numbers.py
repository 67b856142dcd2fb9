"""`identity/numbers.py`: the same numbers on every node and in every version, within the range."""

import random
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from ciliate.identity.numbers import CANDIDATES_MAX, IDENTITY_MAX, IDENTITY_MIN, candidates

LABELS = {"k8s:app": "webpod", "k8s:io.kubernetes.pod.namespace": "default"}


@given(st.dictionaries(st.text(), st.text(), max_size=4), st.randoms())
def test_every_node_tries_the_same_numbers(labels: dict[str, str], order: random.Random) -> None:
    shuffled = list(labels.items())
    order.shuffle(shuffled)

    tried = list(islice(candidates(labels), 20))

    assert list(islice(candidates(dict(shuffled)), 20)) == tried
    assert all(IDENTITY_MIN <= number <= IDENTITY_MAX for number in tried)


def test_numbers_of_labels_never_change() -> None:
    """Nodes of two versions live in one cluster while it is upgraded."""
    assert list(islice(candidates(LABELS), 3)) == [17674, 1529, 52065]


def test_candidates_come_to_an_end() -> None:
    assert len(list(candidates(LABELS))) == CANDIDATES_MAX


def test_labels_that_differ_begin_elsewhere() -> None:
    other = {**LABELS, "k8s:app": "curl-pod"}

    assert next(candidates(LABELS)) != next(candidates(other))
