"""Rules of ConfigMaps and Secrets: keys, sizes, what may not change.

In kube-apiserver's words, and never with a value in them. Source: kubernetes
`pkg/apis/core/validation`.
"""

import re
from typing import Any, Final

from ciliate.apiserver.errors import Cause
from ciliate.apiserver.names import invalid_value, required_value
from ciliate.apiserver.store import JsonObject

#: Octets of all values, keys not counted.
_DATA_BYTES_MAX: Final = 1024 * 1024
_KEY_MAX: Final = 253
_KEY: Final = re.compile("[-._a-zA-Z0-9]+")
#: Data that a type's users count on.
_REQUIRED: Final = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def check_config_map(new: JsonObject, old: JsonObject | None) -> list[Cause]:
    """Check a ConfigMap."""
    data, binary = new.get("data") or {}, new.get("binaryData") or {}
    causes = _fixed_causes(new, old, ("data", "binaryData"))
    causes += _key_causes("data", data) + _key_causes("binaryData", binary)
    for key in sorted(data.keys() & binary.keys()):
        causes.append(invalid_value(f"binaryData[{key}]", key, "duplicate of key present in data"))
    size = sum(len(value.encode()) for value in data.values())
    size += sum(map(_decoded_bytes, binary.values()))
    return causes + _size_causes("[]", size)


def check_secret(new: JsonObject, old: JsonObject | None) -> list[Cause]:
    """Check a Secret."""
    data = new.get("data") or {}
    causes = _fixed_causes(new, old, ("data",)) + _key_causes("data", data)
    for key in _REQUIRED.get(new.get("type", ""), ()):
        if key not in data:
            causes.append(required_value(f"data[{key}]"))
    if old is not None and new.get("type") != old.get("type"):
        causes.append(invalid_value("type", new.get("type"), "field is immutable"))
    return causes + _size_causes("data", sum(map(_decoded_bytes, data.values())))


def _fixed_causes(new: JsonObject, old: JsonObject | None, fields: tuple[str, ...]) -> list[Cause]:
    if old is None or not old.get("immutable"):
        return []
    changed = [field for field in fields if new.get(field) != old.get(field)]
    if not new.get("immutable"):
        changed.insert(0, "immutable")
    problem = "Forbidden: field is immutable when `immutable` is set"
    return [Cause(field, "FieldValueForbidden", problem) for field in changed]


def _key_causes(field: str, data: dict[str, Any]) -> list[Cause]:
    return [
        invalid_value(f"{field}[{key}]", key, problem)
        for key in data
        for problem in _key_problems(key)
    ]


def _key_problems(key: str) -> list[str]:
    problems = []
    if len(key) > _KEY_MAX:
        problems.append(f"must be no more than {_KEY_MAX} characters")
    if not _KEY.fullmatch(key):
        problems.append(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
            "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
            "'[-._a-zA-Z0-9]+')"
        )
    if key in {".", ".."}:
        problems.append(f"must not be '{key}'")
    elif key.startswith(".."):
        problems.append("must not start with '..'")
    return problems


def _decoded_bytes(text: str) -> int:
    """Return how many octets base64 stands for."""
    return len(text) // 4 * 3 - text[-2:].count("=")


def _size_causes(field: str, size_bytes: int) -> list[Cause]:
    if size_bytes <= _DATA_BYTES_MAX:
        return []
    message = f"Too long: may not be more than {_DATA_BYTES_MAX} bytes"
    return [Cause(field, "FieldValueTooLong", message)]
