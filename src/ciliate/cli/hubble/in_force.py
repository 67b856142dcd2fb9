"""The values that flags have when nobody gives them: of variables, of the file, of their own."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from ciliate.cli.hubble import settings
from ciliate.cli.hubble.setting import variable
from ciliate.cli.hubble.target import FORWARD_PORT, default_server
from ciliate.console.installation import installation

#: Shown for a password that is set; `hubble config get` shows the password.
_HIDDEN: Final = "*****"
_PASSWORDS: Final = frozenset({"basic-auth-password"})

#: Longer than any line: no value is broken.
_WIDTH: Final = 100_000


#: Where the command finds out by itself, and how.
_OTHERWISE: Final[Mapping[str, Callable[[Mapping[str, str]], Any]]] = {
    "server": default_server,
    "port-forward-port": lambda _: FORWARD_PORT,
    "kube-namespace": lambda _: installation().namespace,
}


class InForce(NamedTuple):
    """The value of a key, and where it comes from; empty: it is the default."""

    value: Any
    source: str


def in_force(key: str, found: Mapping[str, Any], environment: Mapping[str, str]) -> InForce:
    """Return what a key is; `found` is the file's content.

    Raises:
        UnknownKeyError: No flag is called so.
        KeyValueError: The variable has a value that the flag does not take.
    """
    option = settings.setting(key)[0]
    text = environment.get(variable(key), "")
    if text:
        return InForce(settings.as_written(key, text), variable(key))
    if key in found:
        return InForce(found[key], "file")
    if key in _OTHERWISE:
        return InForce(_OTHERWISE[key](environment), "")
    if option.multiple or option.is_listed:
        return InForce([], "")
    default = option.default if isinstance(option.default, str | bool | int) else ""
    return InForce(bool(default) if option.is_flag else default, "")


def shown(key: str, value: InForce) -> str:
    """Return a line of YAML, with the source as a comment."""
    import yaml  # noqa: PLC0415 - 15 ms.

    is_secret = key in _PASSWORDS and value.value
    listed = [_HIDDEN if is_secret else value.value]
    text = yaml.safe_dump(listed, default_flow_style=True, width=_WIDTH).strip()[1:-1]
    return f"{key}: {text}  # {value.source}" if value.source else f"{key}: {text}"


def plain(value: Any) -> str:
    """Return a value as a flag takes it."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
