"""Find what in the documents leads nowhere; `make check` fails then.

    python tools/check_documents.py     # exit 1 when something is found, one line each

The repository explains itself. So no file cites one outside of it, a document that names a module,
a file or a section names one that exists, and every table has its columns in every row. What a
sentence claims is for readers to check.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent

#: What a citation of something outside looks like: notes, other checkouts, an issue's number.
_OUTSIDE: Final = re.compile(
    r"reference/[a-z0-9.-]+\.(?:md|json)"
    r"|\bDESIGN\.md|\bSTYLE(?:\.md)?\b|\b(?:ipam|walkthrough|routing-masquerading)\.md"
    r"|\.\./shared|(?<![\w.])/work/\w|\b[Ii]ssue #?\d+"
)
#: Its test cases are what this file finds.
_EXAMPLES: Final = "tests/unit/tools/test_check_documents.py"

_CODE_NAME: Final = re.compile(r"`([\w./-]+\.(?:py|c|h))`")
_LINK: Final = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
_SECTION: Final = re.compile(r'docs/(\w+\.md), "([^"]+)"')
_CELL_END: Final = re.compile(r"(?<!\\)\|")
_RULE: Final = re.compile(r"\|(?:\s*:?-+:?\s*\|)+")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong in one line of one file."""

    path: str
    line: int
    problem: str

    def __str__(self) -> str:
        """Return the form that editors jump to."""
        return f"{self.path}:{self.line}: {self.problem}"


def outside_citations(path: str, text: str) -> Iterator[Finding]:
    """Find citations of anything outside the repository."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := _OUTSIDE.search(line):
            yield Finding(path, number, f"cites {found[0]!r}, which is not in the repository")


def broken_tables(path: str, text: str) -> Iterator[Finding]:
    """Find rows that a Markdown table loses or shifts: no header above, or another width."""
    width = 0  # Cells of the table that the line before belongs to; 0 outside of tables.
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if not line.startswith("|"):
            width = 0
            continue
        cells = len(_CELL_END.findall(line)) - 1
        if not width:
            width = cells
            if number == len(lines) or not _RULE.fullmatch(lines[number].strip()):
                yield Finding(path, number, "a table begins here without header and rule")
        elif cells != width:
            yield Finding(path, number, f"{cells} cells in a table of {width} columns")


def unknown_names(path: str, text: str, files: Iterable[str]) -> Iterator[Finding]:
    """Find modules and linked files that a document names and `files` has not."""
    known = tuple(f"/{file}" for file in files)
    for number, line in enumerate(text.splitlines(), 1):
        for name in _CODE_NAME.findall(line):
            if not any(file.endswith(f"/{name}") for file in known):
                yield Finding(path, number, f"no file {name}")
        for link in _LINK.findall(line):
            target = (ROOT / path).parent.joinpath(link).resolve()
            if not any(f"/{target.relative_to(ROOT)}" in file for file in known):
                yield Finding(path, number, f"the link leads nowhere: {link}")


def unknown_sections(path: str, text: str, documents: dict[str, str]) -> Iterator[Finding]:
    """Find sections, cited as docs/PAGE, "Section", that the page of `documents` has not."""
    for number, line in enumerate(text.splitlines(), 1):
        for page, section in _SECTION.findall(line):
            headings = re.findall(r"^#+ (.+)$", documents.get(f"docs/{page}", ""), re.MULTILINE)
            if section not in headings:
                yield Finding(path, number, f'docs/{page} has no section "{section}"')


def check(texts: dict[str, str], files: Iterable[str]) -> Iterator[Finding]:
    """Find everything in `texts`, files by path; `files` are all paths of the repository."""
    files = tuple(files)
    documents = {path: text for path, text in texts.items() if path.endswith(".md")}
    for path, text in texts.items():
        yield from outside_citations(path, text)
        yield from unknown_sections(path, text, documents)
    for path, text in documents.items():
        yield from broken_tables(path, text)
        yield from unknown_names(path, text, files)


def _texts(files: Iterable[str]) -> dict[str, str]:
    """Read the files that are text."""
    found = {}
    for path in files:
        try:
            found[path] = (ROOT / path).read_text()
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue  # Not text, or deleted and not yet committed.
    return found


def main() -> int:
    """Check the files that git knows."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    files = listed.stdout.splitlines()
    texts = {path: text for path, text in _texts(files).items() if path != _EXAMPLES}
    findings = list(check(texts, files))
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
