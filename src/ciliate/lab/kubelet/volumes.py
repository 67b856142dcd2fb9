"""What a pod's volumes hold that are made for it: ConfigMaps, Secrets, facts of the pod. Pure.

`volume_files` writes them. A volume of the node (hostPath) or an empty one has nothing of this.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ciliate.lab.kubelet.configuration import Configuration, Reference, Source
from ciliate.lab.kubelet.downward import PodFacts, field_value, resource_value
from ciliate.lab.kubelet.errors import ContainerConfigError, VolumeError
from ciliate.lab.objects import Container, Json, Pod

_MODE: Final = 0o644
#: The life of a token that asks for none, in seconds.
_LIFE_S: Final = 3600

#: Kinds with files of their own, and where they name what they take.
_OBJECTS: Final = {
    "configMap": (Source.CONFIG_MAP, "name"),
    "secret": (Source.SECRET, "secretName"),
}
_MADE: Final = (*_OBJECTS, "downwardAPI", "projected")
_OTHERS: Final = ("hostPath", "emptyDir")

#: Why a lab has no such volume; what it has instead.
_INSTEAD: Final = "a lab has none: use emptyDir or hostPath"


@dataclass(frozen=True, slots=True)
class VolumeFile:
    """A file of a volume."""

    content: bytes
    mode: int = _MODE


#: The files of a volume by their path in it.
Files = Mapping[str, VolumeFile]
#: Each volume of a pod's own by its name; None: its containers fill it.
Volumes = Mapping[str, Files | None]


@dataclass(frozen=True, slots=True)
class TokenAsk:
    """A token of the pod's service account: for whom (nobody named: the API server), how long."""

    audience: str
    life_s: int

    @classmethod
    def of(cls, said: Json) -> "TokenAsk":
        """Return what a source of a projected volume asks for."""
        return cls(str(said.get("audience") or ""), int(said.get("expirationSeconds") or _LIFE_S))


def token_asks(pod: Pod) -> set[TokenAsk]:
    """Return every token that a pod's volumes show."""
    return {
        TokenAsk.of(source["serviceAccountToken"])
        for volume in pod.spec.volumes
        for source in (volume.get("projected") or {}).get("sources") or []
        if "serviceAccountToken" in source
    }


def is_made(volume: Json) -> bool:
    """Whether the volume's files are made for the pod, which then cannot change them."""
    return any(kind in volume for kind in _MADE)


def volume_references(pod: Pod) -> set[Reference]:
    """Return every ConfigMap and Secret of which a pod's volumes show something."""
    return {found for volume in pod.spec.volumes for found in _references(volume)}


def _references(volume: Json) -> Iterator[Reference]:
    for kind, (source, name) in _OBJECTS.items():
        if kind in volume:
            yield Reference(source, str(volume[kind].get(name, "")))
    for each in (volume.get("projected") or {}).get("sources") or []:
        for kind, (source, _) in _OBJECTS.items():
            if kind in each:
                yield Reference(source, str(each[kind].get("name", "")))


def volumes_of(
    facts: PodFacts, configuration: Configuration, tokens: Mapping[TokenAsk, str]
) -> Volumes:
    """Return what each volume of the pod's own is to hold; `tokens` are those of `token_asks`.

    Raises:
        VolumeError: What one is to show is not there, or a lab has no volumes of its kind.
    """
    found: dict[str, Files | None] = {}
    for volume in facts.pod.spec.volumes:
        name = str(volume.get("name", ""))
        try:
            _refuse_unknown(volume)
            if is_made(volume):
                files = dict(_files(volume, facts, configuration, tokens))
                _refuse_paths(files)
                found[name] = files
            elif "hostPath" not in volume:
                found[name] = None
        except ContainerConfigError as error:
            raise VolumeError(name, str(error)) from error
    return found


def _refuse_unknown(volume: Json) -> None:
    for kind in volume:
        if kind not in ("name", *_MADE, *_OTHERS):
            raise ContainerConfigError(f"spec.volumes[].{kind}: {_INSTEAD}")


def _refuse_paths(files: Files) -> None:
    for path in files:
        parts = path.split("/")
        if "" in parts or parts[0].startswith("..") or ".." in parts:
            raise ContainerConfigError(f"path {path!r} leads out of the volume")


def _files(
    volume: Json,
    facts: PodFacts,
    configuration: Configuration,
    tokens: Mapping[TokenAsk, str],
) -> Iterator[tuple[str, VolumeFile]]:
    for kind, (source, name) in _OBJECTS.items():
        if kind in volume:
            said = volume[kind]
            reference = Reference(source, str(said.get(name, "")))
            yield from _of_object(reference, said, configuration, _mode(said, _MODE))
    if "downwardAPI" in volume:
        said = volume["downwardAPI"]
        yield from _of_pod(said.get("items") or [], facts, _mode(said, _MODE))
    if "projected" in volume:
        mode = _mode(volume["projected"], _MODE)
        for each in volume["projected"].get("sources") or []:
            if (said := each.get("serviceAccountToken")) is not None:
                token = tokens[TokenAsk.of(said)].encode()
                yield str(said.get("path", "")), VolumeFile(token, mode)
            else:
                yield from _of_source(each, facts, configuration, mode)


def _of_source(
    source: Json, facts: PodFacts, configuration: Configuration, mode: int
) -> Iterator[tuple[str, VolumeFile]]:
    for kind, said in source.items():
        if kind in _OBJECTS:
            reference = Reference(_OBJECTS[kind][0], str(said.get("name", "")))
            yield from _of_object(reference, said, configuration, mode)
        elif kind == "downwardAPI":
            yield from _of_pod(said.get("items") or [], facts, mode)
        else:
            where = f"spec.volumes[].projected.sources[].{kind}"
            raise ContainerConfigError(f"{where}: a lab has none: use a ConfigMap")


def _of_object(
    reference: Reference, said: Json, configuration: Configuration, mode: int
) -> Iterator[tuple[str, VolumeFile]]:
    """Yield all that an object holds, or the keys that `items` choose."""
    is_optional = bool(said.get("optional"))
    held = configuration.all_of(reference, optional=is_optional)
    items = said.get("items")
    if not items:
        for key, content in held.items():
            yield key, VolumeFile(content, mode)
        return
    word = "config" if reference.source is Source.CONFIG_MAP else "secret"
    for item in items:
        key = str(item.get("key", ""))
        if key in held:
            yield str(item.get("path", "")), VolumeFile(held[key], _mode(item, mode))
        elif not is_optional:
            raise ContainerConfigError(f"references non-existent {word} key: {key}")


def _of_pod(items: Iterable[Json], facts: PodFacts, mode: int) -> Iterator[tuple[str, VolumeFile]]:
    for item in items:
        path = str(item.get("path", ""))
        if field := item.get("fieldRef"):
            text = field_value(facts, str(field.get("fieldPath", "")))
        else:
            text = resource_value(facts, Container(""), item.get("resourceFieldRef") or {})
        yield path, VolumeFile(text.encode(), _mode(item, mode))


def _mode(said: Mapping[str, Any], otherwise: int) -> int:
    mode = said.get("mode", said.get("defaultMode"))
    return otherwise if mode is None else int(mode)
