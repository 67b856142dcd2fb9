"""Settings of all tests, and which files are begun first."""

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

# An example that takes long is no fault: machines are busy, and speed is judged by benchmarks. The
# gate takes the same examples each time; `--hypothesis-profile=search` looks for others.
settings.register_profile("gate", deadline=None, derandomize=True, database=None)
settings.register_profile("search", deadline=None)
settings.load_profile("gate")

# Behind the machine's own programs: where it has no kubectl, the one that set-up brought.
os.environ["PATH"] += f":{sys.prefix}/bin"

#: A file to which each run adds `COUNT<tab>REASON` lines: test.sh ends with those of all its runs.
SKIPS_VARIABLE = "CILIATE_TEST_SKIPS"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was skipped by reason: where each is, its own words say."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return  # Whoever started the workers has the reports of all.
    reports = terminalreporter.stats.get("skipped", [])
    counts = Counter(skip_reason(report.longrepr) for report in reports)
    lines = [f"{count}\t{reason}" for reason, count in counts.most_common()]
    if lines:
        terminalreporter.section("skipped tests, by reason")
    for line in lines:
        terminalreporter.line(line.expandtabs(6))
    if path := os.environ.get(SKIPS_VARIABLE):
        with Path(path).open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)


def skip_reason(where_and_why: object) -> str:
    """Return the words of a skip, in a line of its own."""
    text = str(where_and_why[-1] if isinstance(where_and_why, tuple | list) else where_and_why)
    return " ".join(text.removeprefix("Skipped: ").split())


#: The files that take longest, the longest first. Begun last, one of them would run on alone while
#: the other processes have nothing left to do (test.sh: a file is one process's).
_LONG: Final = (
    "test_ipam_migrate.py",
    "test_ipam_faults_cluster_pool.py",
    "test_ipam_migration.py",
    "test_upheavals.py",
    "test_masquerade_by_stack.py",
    "test_cni_chained.py",
    "test_faults_settings.py",
    "test_faults_agent_killed.py",
    "test_truth_table.py",
    "test_faults_pool_full.py",
    "test_mode_change.py",
    "test_ipam_check.py",
    "test_node_address.py",
    "test_masquerade_faults.py",
    "test_cni_delegated.py",
    "test_commands.py",
    "test_ipam.py",
    "test_ipam_check_plugins.py",
    "test_bad_input.py",
    "test_writers.py",
    "test_ipam_faults_agents.py",
    "test_ipam_faults_pools.py",
    "test_ipam_faults_operators.py",
    "test_ipam_matrix.py",
    "test_faults_routes.py",
    "test_cni_pods.py",
    "test_faults_restarts.py",
    "test_agent_process.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first; the order of the others, and within a file, stays."""
    places = {name: place for place, name in enumerate(_LONG)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))
