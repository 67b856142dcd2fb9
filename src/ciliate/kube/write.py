"""One write of the API, before it is made: what a client that keeps a pace asks about."""

from dataclasses import dataclass
from typing import Any

from ciliate.api.resource import ObjectKey, Resource


@dataclass(frozen=True, slots=True)
class Write:
    """A request that changes an object; `body` is JSON, empty for a deletion."""

    resource: Resource[Any]
    key: ObjectKey
    verb: str
    body: bytes = b""
    subresource: str = ""
