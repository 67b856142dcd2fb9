"""docs/KINDS.md says what the tables say."""

from pathlib import Path

from ciliate.apiserver.kind_list import render_markdown
from ciliate.apiserver.kinds import built_in

DOCUMENT = Path(__file__).parents[3] / "docs" / "KINDS.md"


def test_document_is_what_the_tables_say() -> None:
    """When this fails: `python -m ciliate.apiserver.kind_list > docs/KINDS.md`."""
    assert DOCUMENT.read_text(encoding="utf-8") == render_markdown()


def test_every_kind_stands_in_the_document_once() -> None:
    text = render_markdown()

    for resource in built_in():
        assert text.count(f"\n| {resource.kind} | {resource.api_version} |") == 1
