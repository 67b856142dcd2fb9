"""The Lease by which nodes agree who announces a Service. Pure."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from ciliate.api.resource import ObjectKey

#: Cilium's: names of Leases begin so, and of nothing else.
PREFIX: Final = "cilium-l2announce-"
#: What the API takes as the name of a Lease.
_LENGTH_MAX: Final = 253
_DIGEST_LENGTH: Final = 16


def lease_names(services: Iterable[ObjectKey]) -> Mapping[ObjectKey, str]:
    """Return the name of each Service's Lease, no two alike.

    It is Cilium's: prefix, namespace, name. Where that is too long, or two Services would have the
    same (`a-b/c`, `a/b-c`), a digest of both names tells them apart.
    """
    keys = set(services)
    plain = {key: f"{PREFIX}{key[0]}-{key[1]}" for key in keys}
    uses = Counter(plain.values())
    return {
        key: name if uses[name] == 1 and len(name) <= _LENGTH_MAX else _distinct(key, name)
        for key, name in plain.items()
    }


def _distinct(key: ObjectKey, name: str) -> str:
    digest = hashlib.sha256("/".join(key).encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{name[: _LENGTH_MAX - _DIGEST_LENGTH - 1]}-{digest}"
