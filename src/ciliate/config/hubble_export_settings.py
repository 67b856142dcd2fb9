"""The settings of flow logs, out of the texts of `cilium-config`. Pure.

What a filter or a field is called is known to the flow server: here stands the form of the texts.
"""

from dataclasses import dataclass
from typing import Final

from ciliate.config import values
from ciliate.config.texts import Texts
from ciliate.errors import SettingError

#: In place of a file: the agent's log.
AGENT_LOG: Final = "stdout"

#: MiB of a file, and backups of it: a flow log must not be what fills a node.
SIZE_MB: Final = (1, 1 << 16)
BACKUPS: Final = (0, 1000)

_PATH: Final = "hubble-export-file-path"
_LOGS: Final = "hubble-flowlogs-config-path"


@dataclass(frozen=True, slots=True)
class HubbleExportSettings:
    """The flow log that always is written, and where others are named."""

    path: str = ""  # AGENT_LOG; empty: there is none.
    size_mb: int = 10
    backups: int = 5
    compress: bool = False
    allowlist: str = ""  # Objects of JSON.
    denylist: str = ""
    fieldmask: tuple[str, ...] = ()
    logs_path: str = ""  # Empty: none are named.


def read_hubble_export_settings(texts: Texts) -> HubbleExportSettings:
    """Return the settings of flow logs.

    Raises:
        SettingError: A value cannot be acted on.
    """
    texts.check_bounds(
        {"hubble-export-file-max-size-mb": SIZE_MB, "hubble-export-file-max-backups": BACKUPS},
        zero_is_unset=False,
    )
    return HubbleExportSettings(
        path=_path(texts, _PATH, f"/var/run/cilium/hubble/events.log, or {AGENT_LOG}"),
        size_mb=texts.number("hubble-export-file-max-size-mb"),
        backups=texts.number("hubble-export-file-max-backups"),
        compress=texts.flag("hubble-export-file-compress"),
        allowlist=texts.text("hubble-export-allowlist"),
        denylist=texts.text("hubble-export-denylist"),
        fieldmask=values.read_words(texts.text("hubble-export-fieldmask")),
        logs_path=_path(texts, _LOGS, "/flowlog-config/flowlogs.yaml"),
    )


def path_problem(text: str) -> str:
    """Return why a text names no file; empty: it does."""
    if "\0" in text:
        return "holds a zero octet"
    if not text.startswith("/"):
        return "is no absolute path"
    if ".." in text.split("/"):
        return "goes up by .., and so may lead anywhere"
    if text.endswith(("/", "/.")):
        return "names a folder"
    return ""


def _path(texts: Texts, key: str, example: str) -> str:
    text = texts.text(key)
    if not text or (key == _PATH and text == AGENT_LOG):
        return text
    if problem := path_problem(text):
        raise SettingError(key=key, value=text, problem=problem, remedy=f"write such as {example}")
    return text
