"""`identity/numbers.py`: the numbers that every node tries for a set of labels."""

from itertools import islice

from ciliate.identity.numbers import CANDIDATES_MAX, IDENTITY_MAX, IDENTITY_MIN, candidates

LABELS = {"k8s:app": "webpod", "k8s:tier": "front", "k8s:io.kubernetes.pod.namespace": "default"}


def test_every_node_tries_the_same_numbers() -> None:
    shuffled = dict(reversed(LABELS.items()))

    assert list(islice(candidates(LABELS), 20)) == list(islice(candidates(shuffled), 20))
    assert all(IDENTITY_MIN <= number <= IDENTITY_MAX for number in candidates(LABELS))


def test_other_labels_try_other_numbers_and_nobody_tries_for_ever() -> None:
    other = {**LABELS, "k8s:tier": "back"}

    assert list(islice(candidates(LABELS), 5)) != list(islice(candidates(other), 5))
    assert len(list(candidates(LABELS))) == CANDIDATES_MAX
