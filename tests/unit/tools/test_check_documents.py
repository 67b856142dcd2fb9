"""tools/check_documents.py."""

import pytest
from tools.check_documents import (
    broken_tables,
    check,
    outside_citations,
    unknown_names,
    unknown_sections,
)

OUTSIDE = (
    "see reference/ipam.md, 2.4",
    "as DESIGN.md says",
    "(STYLE, Errors)",
    "see issue 12",
    "read ../shared first",
    "in /work/main",
)


@pytest.mark.parametrize("line", OUTSIDE)
def test_citation_of_what_is_not_here_is_found(line: str) -> None:
    found = list(outside_citations("src/x.py", f"a line\n{line}\n"))
    assert [finding.line for finding in found] == [2]


@pytest.mark.parametrize(
    "line", ["docs/CILIUM.md, RFC 5382", "an issuer", "network/work/x", "the style of it"]
)
def test_citation_of_what_everybody_can_read_is_left_alone(line: str) -> None:
    assert list(outside_citations("src/x.py", line)) == []


def test_row_without_a_table_above_is_found() -> None:
    text = "| a | b |\n|---|---|\n| 1 | 2 |\n\n| 3 | 4 |\n"
    assert [finding.line for finding in broken_tables("x.md", text)] == [5]


def test_row_of_another_width_is_found() -> None:
    text = "| a | b |\n|---|---|\n| 1 | 2 | 3 |\n| 1 \\| 2 | 3 |\n"
    assert [finding.line for finding in broken_tables("x.md", text)] == [3]


def test_module_that_was_renamed_is_found() -> None:
    text = "`ipam/slots.py` and `ipam/gone.py`"
    found = list(unknown_names("docs/X.md", text, ["src/ciliate/ipam/slots.py"]))
    assert [finding.problem for finding in found] == ["no file ipam/gone.py"]


def test_link_to_a_page_that_is_gone_is_found() -> None:
    text = "[a](Y.md) [b](../README.md#start) [c](decisions/) [d](Z.md)"
    files = ["docs/Y.md", "README.md", "docs/decisions/0001-x.md"]
    found = list(unknown_names("docs/X.md", text, files))
    assert [finding.problem for finding in found] == ["the link leads nowhere: Z.md"]


def test_section_that_a_comment_names_must_exist() -> None:
    documents = {"docs/X.md": "# X\n\n## Pools\n"}
    text = '(docs/X.md, "Pools") (docs/X.md, "Pool")'
    found = list(unknown_sections("src/x.py", text, documents))
    assert [finding.problem for finding in found] == ['docs/X.md has no section "Pool"']


def test_tables_are_looked_for_in_documents_only() -> None:
    assert list(check({"src/x.py": "| no table |\n"}, ["src/x.py"])) == []
