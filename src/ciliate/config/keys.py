"""Every key of `cilium-config` by name: supported, known only, or unknown with its nearest.

The agent, the operator and `ciliate config set` ask here; what a settings group makes of a value
is decided elsewhere. Only supported keys are documented as such (docs/CONFIGURATION.md).
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ciliate.config import values
from ciliate.config.key import Key, Kind, Scope
from ciliate.config.known import KNOWN, PART_OF, SATISFIED
from ciliate.config.supported import GROUPS
from ciliate.errors import SettingError

#: Supported and known keys, by name.
KEYS: Final[Mapping[str, Key]] = {
    key.name: key
    for key in sorted(
        (*(key for group in GROUPS.values() for key in group), *KNOWN), key=lambda key: key.name
    )
}


def nearest(name: str) -> str | None:
    """Return the known key that `name` most resembles, or None when none is near."""
    matches = difflib.get_close_matches(name, KEYS, n=1, cutoff=0.6)
    return matches[0] if matches else None


@dataclass(frozen=True, slots=True)
class Review:
    """What a ConfigMap holds beside supported keys.

    `unsupported` are known keys that ask for something this version does not do; `unknown` maps
    other keys to the nearest known one, or None.
    """

    unsupported: Mapping[str, str]
    unknown: Mapping[str, str | None]

    def warnings(self) -> tuple[str, ...]:
        """Return one line for each finding, in the order of the keys."""
        lines = {
            name: f"{name}: {value!r} is known but not supported by this version: it has no effect"
            for name, value in self.unsupported.items()
        }
        for name, near in self.unknown.items():
            hint = f": did you mean {near}?" if near else ": remove it or correct its name"
            lines[name] = f"{name} is not a known key{hint}"
        return tuple(lines[name] for name in sorted(lines))


def review(config: Mapping[str, str]) -> Review:
    """Return which keys of `config` have no effect; values' forms are `check`'s business."""
    unsupported = {}
    unknown = {}
    for name, text in config.items():
        key = KEYS.get(name)
        if key is None:
            unknown[name] = nearest(name)
        elif _asks_in_vain(key, text) and not _is_on(config.get(PART_OF.get(name, ""), "")):
            unsupported[name] = text
    return Review(unsupported=unsupported, unknown=unknown)


def _asks_in_vain(key: Key, text: str) -> bool:
    """Return whether `text` turns on a feature that we do not have.

    Only switches ask: Cilium's chart writes numbers and names for features that are off as well.
    """
    if key.supported or key.kind is not Kind.BOOL or key.name in SATISFIED:
        return False
    return _is_on(text)


def _is_on(text: str) -> bool:
    """Return whether a switch is on; one whose text cannot be read asks for something."""
    try:
        return values.read_bool(text)
    except values.ValueTextError:
        return True


def readers(names: Iterable[str]) -> tuple[Scope, ...]:
    """Return which processes read these keys, and so must restart: the operator comes first."""
    scopes = {KEYS[name].scope for name in names if name in KEYS}
    return tuple(
        scope
        for scope in (Scope.OPERATOR, Scope.AGENT)
        if not scopes.isdisjoint({scope, Scope.BOTH})
    )


def check(name: str, text: str) -> None:
    """Accept `text` as the value of the key `name`.

    Raises:
        SettingError: The key is unknown, or the text is not one it takes.
    """
    key = KEYS.get(name)
    if key is None:
        near = nearest(name)
        raise SettingError(
            key=name,
            value=text,
            problem="is set for a key that is not known",
            remedy=f"did you mean {near}?" if near else "see docs/CONFIGURATION.md for the keys",
        )
    key.check(text)


__all__ = [
    "GROUPS",
    "KEYS",
    "Key",
    "Kind",
    "Review",
    "Scope",
    "check",
    "nearest",
    "readers",
    "review",
]
