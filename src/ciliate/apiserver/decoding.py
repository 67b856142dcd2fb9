"""Bodies in JSON and YAML: their values, and keys that they say twice.

The last of two equal keys counts, as in Go's decoder; that there were two is told apart, since few
clients ask and most bodies have none.
"""

import json
from collections import Counter
from functools import cache
from typing import Any, Final

import msgspec
import yaml

from ciliate.apiserver import errors
from ciliate.apiserver.requests import media_type

JSON: Final = "application/json"
YAML: Final = "application/yaml"

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


def decode_body(body: bytes, content_type: str) -> Any:
    """Return the value of a JSON or YAML body.

    Raises:
        StatusError: It is neither, or another format is named (400, 415).
    """
    kind = media_type(content_type)
    if kind.endswith("yaml"):
        return _decode_yaml(body)
    if kind in {"", JSON, "text/plain"} or kind.endswith("+json"):
        try:
            return _decode(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            problem = f"couldn't get version/kind; json parse error: {error}"
            raise errors.bad_request(problem) from error
    raise errors.unsupported_media_type(kind, (JSON, YAML))


def repeated_keys(body: bytes, value: Any) -> list[str]:
    """Return a problem for each key that occurs twice in an object; `value` is what was decoded."""
    # Written anew without spaces it has the same length, unless a key was dropped.
    size = len(_encode(value))
    if size == len(body.strip()) or size == _compact_size(body):  # The second costs more.
        return []
    try:
        noted = json.loads(body, object_pairs_hook=_noted)
    except (ValueError, RecursionError):
        return _repeated_in_yaml(body)
    return [f'duplicate field "{path}"' for path in _repeated_below(noted, "")]


def _compact_size(body: bytes) -> int:
    """Return how many octets JSON has without spaces; -1: it is none."""
    try:
        return len(msgspec.json.format(body, indent=-1))
    except msgspec.DecodeError:
        return -1


class _Repeating(dict[str, Any]):
    """An object that says some keys twice."""

    repeated: tuple[str, ...] = ()


def _noted(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    counts = Counter(name for name, _ in pairs)
    noted = _Repeating(found)
    noted.repeated = tuple(name for name, count in counts.items() if count > 1)
    return noted


def _repeated_below(value: Any, path: str) -> list[str]:
    found = []
    if isinstance(value, dict):
        if isinstance(value, _Repeating):
            found += [f"{path}.{name}" if path else name for name in value.repeated]
        for name, child in value.items():
            found += _repeated_below(child, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            found += _repeated_below(child, f"{path}[{index}]")
    return found


def _decode_yaml(body: bytes) -> Any:
    # Server-side apply sends JSON under a YAML name; parsing that as YAML costs fifty times more.
    try:
        return _decode(body)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        # Through JSON: what JSON cannot say (keys that are no strings) is refused here.
        return _decode(msgspec.json.encode(_loaded(body)[0]))
    except (yaml.YAMLError, RecursionError, TypeError, msgspec.DecodeError) as error:
        raise errors.bad_request(f"error converting YAML to JSON: {error}") from error


def _repeated_in_yaml(body: bytes) -> list[str]:
    try:
        return _loaded(body)[1]
    except (yaml.YAMLError, RecursionError, TypeError):
        return []  # It has been decoded otherwise: no YAML.


def _loaded(body: bytes) -> tuple[Any, list[str]]:
    """Return the value of a YAML document, and its problems with repeated keys."""
    loader = _plain_loader()(body)
    try:
        return loader.get_single_data(), loader.problems
    finally:
        loader.dispose()


@cache
def _plain_loader() -> Any:
    """Return a loader that leaves timestamps as text, as JSON does, and notes repeated keys."""
    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class PlainLoader(base):  # type: ignore[misc]
        yaml_implicit_resolvers = {  # noqa: RUF012 - the name PyYAML reads
            first: [(tag, regexp) for tag, regexp in entries if not tag.endswith(":timestamp")]
            for first, entries in base.yaml_implicit_resolvers.items()
        }

        def __init__(self, stream: bytes) -> None:
            super().__init__(stream)
            self.problems: list[str] = []

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyYAML's
            seen: set[str] = set()
            for key, _ in node.value:
                if key.value in seen:
                    line = key.start_mark.line + 1
                    self.problems.append(f'line {line}: key "{key.value}" already set in map')
                seen.add(key.value)
            return super().construct_mapping(node, deep)

    return PlainLoader
