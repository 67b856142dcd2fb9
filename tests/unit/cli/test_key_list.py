"""docs/CONFIGURATION.md says what the registry says."""

from pathlib import Path

from ciliate.cli.key_list import render_keys, render_markdown
from ciliate.config.keys import KEYS

DOCUMENT = Path(__file__).parents[3] / "docs" / "CONFIGURATION.md"


def test_document_is_what_the_command_writes() -> None:
    """When this fails: `ciliate config keys --markdown > docs/CONFIGURATION.md`."""
    assert DOCUMENT.read_text(encoding="utf-8") == render_markdown()


def test_every_key_stands_in_the_document_once() -> None:
    text = render_markdown()

    for name in KEYS:
        assert text.count(f"| `{name}` |") == 1


def test_terminal_table_marks_keys_without_effect() -> None:
    text = render_keys([KEYS["mtu"], KEYS["external-envoy-proxy"]])

    rows = [line.split()[:3] for line in text.splitlines()[1:]]
    assert rows == [["mtu", "int", "0"], ["external-envoy-proxy", "bool", "(known"]]
