"""Who looks for the tests of a module finds them by its path, and the other way round."""

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
OF_THE_TREE = {"test_mirror.py"}

#: Their modules are being moved, and they with them: this set only ever shrinks.
NOT_YET = {
    "agent/test_address_source.py",
    "agent/test_attachment_races.py",
    "agent/test_delegated.py",
    "agent/test_foreign_pods.py",
    "agent/test_ipam_check.py",
    "agent/test_ipam_model.py",
    "agent/test_ipam_repair.py",
    "agent/test_pod_cidrs.py",
    "agent/test_router.py",
    "agent/test_shutdown.py",
    "operator/test_cluster_pool.py",
    "operator/test_granting.py",
    "operator/test_granting_faults.py",
    "operator/test_multi_pool.py",
    "operator/test_node_cidrs.py",
    "operator/test_node_queue.py",
    "operator/test_pool_lists.py",
    "operator/test_pool_trends.py",
    "operator/test_service_range.py",
}


def without_a_module() -> Iterator[str]:
    """Yield the test files that no module's path leads to."""
    for test in sorted(TESTS.rglob("test_*.py")):
        name = test.relative_to(TESTS)
        if SCENARIOS in name.parts or str(name) in OF_THE_TREE:
            continue
        top, *folders = name.parent.parts
        folder = ROOTS.get(top, PRODUCT / top).joinpath(*folders)
        module = test.stem.removeprefix("test_")
        if not ((folder / f"{module}.py").exists() or (folder / module / "__init__.py").exists()):
            yield str(name)


def test_every_test_file_has_the_module_of_its_path_or_is_a_scenario() -> None:
    assert set(without_a_module()) - NOT_YET == set()


def test_exceptions_are_still_needed() -> None:
    assert NOT_YET - set(without_a_module()) == set()


def test_scenarios_stand_beside_the_tests_of_a_package() -> None:
    folders = [folder for folder in TESTS.rglob(SCENARIOS) if any(folder.glob("test_*.py"))]

    packages = [PRODUCT / folder.relative_to(TESTS).parent for folder in folders]

    assert [package for package in packages if not package.is_dir()] == []
