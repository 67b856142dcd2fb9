"""The tests of a module are found by its path, and the other way round."""

from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent.parent

#: Trees of their own beside the product.
ROOTS = {"tools": ROOT / "tools", "benchmarks": ROOT / "benchmarks"}
PRODUCT = ROOT / "src" / "ciliate"

#: Tests of many modules together stand in a folder of this name beside those of the package.
SCENARIOS = "scenarios"

#: These watch over the tree itself.
OF_THE_TREE = {"test_mirror.py", "test_skips.py"}


def without_a_module() -> Iterator[str]:
    """Yield the test files that no module's path leads to."""
    for test in sorted(TESTS.rglob("test_*.py")):
        name = test.relative_to(TESTS)
        if SCENARIOS in name.parts or str(name) in OF_THE_TREE:
            continue
        top, *folders = name.parent.parts
        folder = ROOTS.get(top, PRODUCT / top).joinpath(*folders)
        module = test.stem.removeprefix("test_")
        found = (f"{module}.py", f"{module}/__init__.py", f"{module}.sh")
        if not any((folder / each).exists() for each in found):
            yield str(name)


def test_every_test_file_has_the_module_of_its_path_or_is_a_scenario() -> None:
    assert list(without_a_module()) == []


def test_scenarios_stand_beside_the_tests_of_a_package() -> None:
    folders = [folder for folder in TESTS.rglob(SCENARIOS) if any(folder.glob("test_*.py"))]

    packages = [PRODUCT / folder.relative_to(TESTS).parent for folder in folders]

    assert [package for package in packages if not package.is_dir()] == []
