"""Pairs of flags that are refused, and neighbours that are not."""

import pytest

from ciliate.cli.hubble.errors import FlagConflictError
from ciliate.cli.hubble.flag_conflicts import check_conflicts


@pytest.mark.parametrize(
    "words",
    [
        "fqdn ip",
        "pod from-ip",
        "from-pod from-fqdn",
        "to-ip pod",
        "ip namespace",
        "from-fqdn from-namespace",
        "namespace to-ip",
        "to-pod namespace",
        "from-service namespace",
        "label from-label",
        "to-service service",
        "port to-port",
        "identity from-identity",
        "workload to-workload",
        "encrypted unencrypted",
    ],
)
def test_contradiction_is_refused_in_either_order(words: str) -> None:
    names = words.split()

    for order in (names, names[::-1]):
        with pytest.raises(FlagConflictError) as refused:
            check_conflicts(["verdict", *order])
        assert set(refused.value.flags) == set(names)


@pytest.mark.parametrize(
    "words",
    [
        "pod namespace",
        "from-pod to-pod",
        "from-ip to-fqdn",
        "from-pod from-namespace",
        "from-ip to-namespace",
        "service pod",
        "port ip",
        "pod pod",
        "cluster from-cluster",
    ],
)
def test_flags_of_different_things_go_together(words: str) -> None:
    check_conflicts(words.split())
