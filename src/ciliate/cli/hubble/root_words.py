"""The words of a `hubble` command, brought into the order and form in which click takes them. Pure.

Users write flags of the server before the command too (`hubble -P status`), `--config` behind it, and
values of flags that take none (`--tls=false`).
"""

from collections.abc import Mapping, Sequence
from typing import Final

from ciliate.cli.hubble.setting import Setting

#: In the words of Go's library.
_TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})


def ordered(words: Sequence[str], settings: Sequence[Setting]) -> list[str]:
    """Return the words so: `--config`, the command, its words, and then flags that stood before it."""
    flags = {name: each for each in settings for name in (*each.opts, *each.secondary_opts)}
    config, words = _config(words)
    words = [_without_value(word, flags) for word in words]
    leading: list[str] = []
    while words and (flag := flags.get(words[0].partition("=")[0])) is not None:
        count = 1 if flag.is_flag or "=" in words[0] else 2
        leading += words[:count]
        words = words[count:]
    if words and words[0].startswith("-"):
        return [*config, *words]  # `--help`: nothing else counts.
    return [*config, *words, *leading]


def _config(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return `--config` with its value, and the other words."""
    for place, word in enumerate(words):
        if word == "--config":
            return list(words[place : place + 2]), [*words[:place], *words[place + 2 :]]
        if word.startswith("--config="):
            return [word], [*words[:place], *words[place + 1 :]]
    return [], list(words)


def _without_value(word: str, flags: Mapping[str, Setting]) -> str:
    """Return `--tls` for `--tls=true`, and its opposite for `--tls=false`."""
    name, _, value = word.partition("=")
    flag = flags.get(name)
    if flag is None or not flag.is_flag or value not in _TRUE | _FALSE:
        return word
    return name if value in _TRUE else flag.secondary_opts[0]
