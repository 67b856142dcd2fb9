"""What a pod takes from ConfigMaps and Secrets: which it names, and what they held when read. Pure."""

import base64
import binascii
import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ciliate.lab.kubelet.errors import ContainerConfigError
from ciliate.lab.objects import ConfigMap, Container, Pod, Secret


class Source(enum.Enum):
    """A kind that holds configuration; its words in kubelet's messages."""

    CONFIG_MAP = "ConfigMap"
    SECRET = "Secret"  # noqa: S105 - a kind's name.


@dataclass(frozen=True, slots=True)
class Reference:
    """A ConfigMap or Secret in the pod's namespace."""

    source: Source
    name: str


#: The field of a reference in `env[].valueFrom`, in `envFrom[]` and in `volumes[]`.
KEY_FIELDS: Final = {
    "configMapKeyRef": Source.CONFIG_MAP,
    "secretKeyRef": Source.SECRET,
}
FROM_FIELDS: Final = {"configMapRef": Source.CONFIG_MAP, "secretRef": Source.SECRET}


@dataclass(frozen=True, slots=True)
class Configuration:
    """What was read for a pod; what is not there is absent."""

    namespace: str = ""
    held: Mapping[Reference, Mapping[str, bytes]] = field(default_factory=dict)

    def all_of(self, reference: Reference, *, optional: bool) -> Mapping[str, bytes]:
        """Return every key; none where it is absent and need not be there.

        Raises:
            ContainerConfigError: It is absent.
        """
        found = self.held.get(reference)
        if found is not None:
            return found
        if optional:
            return {}
        raise ContainerConfigError(
            f'{reference.source.value.lower()} "{reference.name}" not found'
        )

    def key_of(self, reference: Reference, key: str, *, optional: bool) -> bytes | None:
        """Return the value of a key; None where it is absent and need not be there.

        Raises:
            ContainerConfigError: The key, or the whole object, is absent.
        """
        found = self.all_of(reference, optional=optional).get(key)
        if found is None and not optional:
            where = f"{reference.source.value} {self.namespace}/{reference.name}"
            raise ContainerConfigError(f"couldn't find key {key} in {where}")
        return found


def content_of(held: ConfigMap | Secret) -> dict[str, bytes]:
    """Return what an object holds, by key."""
    if isinstance(held, Secret):
        return {key: _decoded(text) for key, text in (held.data or {}).items()}
    found = {key: text.encode() for key, text in (held.data or {}).items()}
    return found | {key: _decoded(text) for key, text in (held.binary_data or {}).items()}


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""  # The API server refuses such objects: one from before it did.


def references_of(pod: Pod, container: Container | None = None) -> set[Reference]:
    """Return every ConfigMap and Secret that a container, or any of the pod's, has variables of."""
    every = (*pod.spec.init_containers, *pod.spec.containers)
    return {
        reference
        for each in ((container,) if container is not None else every)
        for reference in _of_container(each)
    }


def _of_container(container: Container) -> Iterator[Reference]:
    for variable in container.env:
        yield from _named(variable.value_from or {}, KEY_FIELDS)
    for each in container.env_from:
        yield from _named(each, FROM_FIELDS)


def _named(fields: Mapping[str, Any], known: Mapping[str, Source]) -> Iterator[Reference]:
    for name, source in known.items():
        if fields.get(name):
            yield Reference(source, str(fields[name].get("name", "")))
