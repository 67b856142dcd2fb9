"""Every key of cilium-config as text: `ciliate config keys`, and docs/CONFIGURATION.md. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final

from ciliate.config.installation import Installation
from ciliate.config.keys import GROUPS, KEYS, Key
from ciliate.console.table import align

_NAMES: Final = Installation()

_PREFACE: Final = f"""\
# Configuration

<!-- Written by `ciliate config keys --markdown > docs/CONFIGURATION.md`; a test compares. -->

Settings are keys of the ConfigMap `{_NAMES.config_map}` in {_NAMES.namespace}, or of the one that
an installation names otherwise (docs/CILIUM.md, "Names"). They are named and written as Cilium's;
each is also a flag `--<key>` of the agent or the operator, which overrides the ConfigMap. They are
read once, at start: `ciliate config set KEY VALUE` changes a key and restarts the agents' pods; it
names the nodes whose agent has no pod, and is restarted by hand.

- A **supported** key does what its line says. The default holds where the key is absent or empty.
- A key that is **known only** is accepted and changes nothing. Where it turns a feature on,
  `ciliate dbg status --verbose` and the agent's log say that it has no effect.
- Any other key is a warning that names the nearest known one.

A value that its key cannot take stops the process before it touches the kernel, with one line that
names key, value and remedy; running pods keep their traffic.

Kinds: a *duration* is Go's ("30s", "5m0s"), a *list* is separated by blanks or commas, a *device
list* holds names, beginnings ("eth+") and exceptions ("!eth0").
"""


def render_keys(keys: Iterable[Key]) -> str:
    """Return a table for the terminal."""
    lines = ["KEY\tKIND\tDEFAULT\tMEANING"]
    for key in keys:
        default = "(known only)" if key.default is None else key.default or '""'
        lines.append(f"{key.name}\t{key.kind.value}\t{default}\t{key.meaning}")
    return align(lines, width_min=0, padding=3)


def render_markdown() -> str:
    """Return the whole of docs/CONFIGURATION.md."""
    lines = [_PREFACE, "## Supported keys", ""]
    for title, group in GROUPS.items():
        lines += [f"### {title}", ""]
        lines += ["| key | Helm value | kind | default | read by | meaning |"]
        lines += ["|---|---|---|---|---|---|"]
        lines += [_supported_row(key) for key in group]
        lines += [""]
    lines += ["## Keys that are known only", "", "| key | kind | meaning |", "|---|---|---|"]
    lines += _known_rows()
    return "\n".join(lines) + "\n"


def _supported_row(key: Key) -> str:
    kind = key.kind.value
    if key.choices:
        kind = "one of " + ", ".join(f"`{choice}`" for choice in key.choices)
    meaning = key.meaning
    if key.choices_later:
        meaning += " Not yet: " + ", ".join(f"`{choice}`" for choice in key.choices_later) + "."
    helm = f"`{key.helm}`" if key.helm else ""
    default = f"`{key.default}`" if key.default else ""
    return f"| `{key.name}` | {helm} | {kind} | {default} | {key.scope.value} | {_cell(meaning)} |"


def _known_rows() -> Iterator[str]:
    for key in KEYS.values():
        if not key.supported:
            yield f"| `{key.name}` | {key.kind.value} | {key.meaning} |"


def _cell(text: str) -> str:
    """Return a text as a table's cell has it."""
    return text.replace("|", r"\|")
