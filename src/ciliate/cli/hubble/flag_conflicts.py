"""Which filter flags contradict each other: the same pairs that Cilium's command refuses. Pure."""

from collections.abc import Iterable, Iterator
from itertools import combinations, product
from typing import Final

from ciliate.cli.hubble.errors import FlagConflictError

#: Of each group at most one.
_GROUPS: Final = (
    ("fqdn", "ip", "from-fqdn", "from-ip", "from-pod", "pod"),
    ("fqdn", "ip", "to-fqdn", "to-ip", "to-pod", "pod"),
)

#: What has no namespace, and the flags that would give it one.
_WITHOUT_NAMESPACE: Final = (
    (
        ("fqdn", "ip", "from-fqdn", "from-ip"),
        ("namespace", "from-namespace", "all-namespaces", "from-all-namespaces"),
    ),
    (
        ("fqdn", "ip", "to-fqdn", "to-ip"),
        ("namespace", "to-namespace", "all-namespaces", "to-all-namespaces"),
    ),
    (("from-pod", "to-pod", "from-service", "to-service"), ("namespace",)),
)

#: A flag for either end, and those for one.
_EITHER_OR_ONE: Final = ("label", "service", "port", "identity", "workload")


def _pairs() -> Iterator[frozenset[str]]:
    for group in _GROUPS:
        yield from map(frozenset, combinations(group, 2))
    for named, namespaces in _WITHOUT_NAMESPACE:
        yield from map(frozenset, product(named, namespaces))
    for name in _EITHER_OR_ONE:
        yield frozenset({name, f"from-{name}"})
        yield frozenset({name, f"to-{name}"})
    yield frozenset({"encrypted", "unencrypted"})


_REFUSED: Final = frozenset(_pairs())


def check_conflicts(names: Iterable[str]) -> None:
    """Refuse flags of which two contradict each other.

    Raises:
        FlagConflictError: Names the first two.
    """
    given = list(dict.fromkeys(names))
    for first, second in combinations(given, 2):
        if frozenset({first, second}) in _REFUSED:
            raise FlagConflictError(first, second)
