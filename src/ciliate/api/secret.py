"""Secrets: what is kept from view, each value in base64."""

from typing import Final

from msgspec import Struct

from ciliate.api.metadata import ObjectMeta
from ciliate.api.resource import Resource


class Secret(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"):
    """A Secret; `data` decodes to octets, since base64 is how JSON carries them."""

    api_version: str = "v1"
    kind: str = "Secret"
    metadata: ObjectMeta = ObjectMeta()
    type: str = ""
    data: dict[str, bytes] = {}


SECRETS: Final = Resource("", "v1", "secrets", "Secret", namespaced=True, struct=Secret)
