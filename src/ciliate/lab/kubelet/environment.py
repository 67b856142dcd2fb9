"""The environment of a container: variables of the pod's own, and those of its image. Pure.

Rules are kubelet's: variables of `env` come after those of `envFrom`, in their order, and may name
those before them as $(NAME). What the image brings (PATH, HOME) is replaced, never named.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from ciliate.lab.kubelet.configuration import FROM_FIELDS, KEY_FIELDS, Configuration, Reference
from ciliate.lab.kubelet.downward import PodFacts, field_value, resource_value
from ciliate.lab.kubelet.errors import ContainerConfigError
from ciliate.lab.objects import Container, EnvVar

_REFERENCE: Final = re.compile(r"\$(\$|\(([^)]*)\))")
#: What a variable may be called: any printable ASCII but the sign that ends its name.
_NAME: Final = re.compile(r"[ -<>-~]+")


def variables_of(
    facts: PodFacts,
    container: Container,
    configuration: Configuration,
    services: Mapping[str, str],
) -> dict[str, str]:
    """Return the variables that a container's `env` and `envFrom` declare, and those of Services.

    Raises:
        ContainerConfigError: One comes from something that is not there; kubelet's words.
    """
    variables = dict(services)
    for each in container.env_from:
        variables |= _whole(each, configuration)
    for variable in container.env:
        if not variable.value_from:
            variables[variable.name] = expand(variable.value, variables)
            continue
        value = _value_of(variable, facts, container, configuration)
        if value is not None:
            variables[variable.name] = value
    return variables


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Return `text` with $(NAME) replaced; $$ is a dollar sign, unknown names stay."""

    def replacement(found: re.Match[str]) -> str:
        if found.group(1) == "$":
            return "$"
        return variables.get(found.group(2), found.group(0))

    return _REFERENCE.sub(replacement, text)


def expand_all(text: str, variables: Mapping[str, str]) -> str:
    """Return `text` expanded, as `expand` does.

    Raises:
        ContainerConfigError: It names a variable that is not there.
    """
    for found in _REFERENCE.finditer(text):
        if found.group(1) != "$" and found.group(2) not in variables:
            raise ContainerConfigError(f"missing value for {json.dumps(found.group(2))}")
    return expand(text, variables)


def _whole(source: Mapping[str, Any], configuration: Configuration) -> dict[str, str]:
    """Return all that a ConfigMap or Secret holds and that can be a variable's name."""
    prefix = str(source.get("prefix") or "")
    found: dict[str, str] = {}
    for field, kind in FROM_FIELDS.items():
        reference = source.get(field)
        if not reference:
            continue
        held = configuration.all_of(
            Reference(kind, str(reference.get("name", ""))),
            optional=bool(reference.get("optional")),
        )
        for key, value in held.items():
            if _NAME.fullmatch(prefix + key):
                found[prefix + key] = _text(value, prefix + key)
    return found


def _value_of(
    variable: EnvVar, facts: PodFacts, container: Container, configuration: Configuration
) -> str | None:
    source = variable.value_from or {}
    if field := source.get("fieldRef"):
        return field_value(facts, str(field.get("fieldPath", "")))
    if resource := source.get("resourceFieldRef"):
        return resource_value(facts, container, resource)
    for name, kind in KEY_FIELDS.items():
        if reference := source.get(name):
            value = configuration.key_of(
                Reference(kind, str(reference.get("name", ""))),
                str(reference.get("key", "")),
                optional=bool(reference.get("optional")),
            )
            return None if value is None else _text(value, variable.name)
    return None


def _text(value: bytes, name: str) -> str:
    """Return a value as a variable.

    Raises:
        ContainerConfigError: It cannot be one.
    """
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise ContainerConfigError(f"the value of variable {name} is not UTF-8") from error
    if "\0" in text:
        raise ContainerConfigError(f"the value of variable {name} has a NUL in it")
    return text
