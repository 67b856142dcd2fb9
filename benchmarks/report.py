"""The results of a question: a table for people, a document for machines.

No number without the machine, kernel and commit it comes from: it would say nothing.
"""

import datetime as dt
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.pairing import ROUNDS_MIN, Better, Budget, Measurement, Spread

_REPOSITORY: Final = Path(__file__).parents[1]

#: Version of the document's form; a reader of old results needs it.
FORMAT: Final = 1


#: With less of the processors idle before a question, others measure along.
IDLE_MIN: Final = 0.9


@dataclass(frozen=True, slots=True)
class Answer:
    """A question in words, and what was measured to answer it."""

    name: str
    question: str
    measurements: tuple[Measurement, ...]
    #: What a reader has to know to believe the numbers, a sentence each.
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and of what a measurement was taken.

    `idle` is the processors' idle share, 0 to 1, in the second before it began: what others do
    on the machine. The load average would still remember the question before.
    """

    processor: str
    processors: int
    memory_mib: int
    kernel: str
    commit: str
    date: str
    idle: float
    versions: Mapping[str, str]

    def line(self) -> str:
        """Return the setting as one line of text."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return (
            f"{self.processors} x {self.processor}, {self.memory_mib} MiB, kernel {self.kernel}, "
            f"commit {self.commit}, {self.date}, {self.idle:.0%} idle before, {versions}"
        )

    def warning(self) -> tuple[str, ...]:
        """Return a sentence that forbids quoting figures of a busy machine, if it was."""
        if self.idle >= IDLE_MIN:
            return ()
        return (f"BUSY: {1 - self.idle:.0%} of the machine was others': quote no figure of these",)


def observe_setting() -> Setting:
    """Read the facts of this machine and checkout."""
    return Setting(
        processor=_processor(),
        processors=len(os.sched_getaffinity(0)),
        memory_mib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        kernel=platform.release(),
        commit=_commit(),
        date=dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds"),
        idle=_idle_share(),
        versions={
            "iperf3": _first_line("iperf3", "--version").removeprefix("iperf ").partition(" ")[0],
            "plugins": _first_line(
                "dpkg-query", "--show", "--showformat=${Version}", "containernetworking-plugins"
            ),
            "python": platform.python_version(),
        },
    )


def _first_line(*command: str) -> str:
    """Return the first line a tool prints, or "unknown" where there is none."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return done.stdout.strip().partition("\n")[0] or "unknown"


def _processor() -> str:
    """Return the processor's name as the kernel has it."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _idle_share() -> float:
    """Watch the processors for a second; return the share of it they were idle (proc(5), stat).

    Tries again while they are busy, for ten seconds at most: the kernel goes on taking down the
    namespaces of the question before after its processes have ended.
    """
    idle = 0.0
    for _try in range(10):
        before = _processor_times()
        time.sleep(1)
        spent = [after - first for after, first in zip(_processor_times(), before, strict=True)]
        idle = spent[3] / sum(spent)
        if idle >= IDLE_MIN:
            break
    return idle


def busy_s() -> float:
    """Return the seconds that all processors have worked since boot, for all processes."""
    ticks = _processor_times()
    return (sum(ticks) - sum(ticks[3:5])) / os.sysconf("SC_CLK_TCK")  # idle, iowait


def _processor_times() -> list[int]:
    """Return what all processors did since boot, in ticks: user, nice, system, idle, …."""
    with open("/proc/stat", encoding="ascii") as file:
        return [int(word) for word in file.readline().split()[1:9]]  # Guests are in user.


def _commit() -> str:
    """Return the short commit, with "+" where the tree has changes of its own."""
    in_tree = ("git", "-C", str(_REPOSITORY))
    changes = _first_line(*in_tree, "status", "--porcelain", "--untracked-files=no")
    commit = _first_line(*in_tree, "rev-parse", "--short=12", "HEAD")
    return commit if changes == "unknown" else f"{commit}+"


def render(answer: Answer, setting: Setting) -> str:
    """Return `answer` as text: one block per metric, one line per candidate."""
    baselines = tuple(
        dict.fromkeys(name for taken in answer.measurements for name in taken.baselines)
    )
    lines = [f"{answer.name}: {answer.question}", f"  {setting.line()}"]
    lines += [f"  {note}" for note in (*setting.warning(), *answer.notes)]
    rows = [_heading(baselines)]
    for taken in answer.measurements:
        rows.append((f"{taken.metric.name}, {taken.metric.unit}",))
        rows += [_row(taken, candidate, baselines) for candidate in taken.samples]
    return "\n".join([*lines, "", *_aligned(rows), ""])


def _heading(baselines: Sequence[str]) -> tuple[str, ...]:
    """Return the columns' names."""
    ratios = (f"/ {name} (quartiles)" for name in baselines)
    return ("", "median", "quartiles", "least to most", "n", *ratios, "budget")


def _row(taken: Measurement, candidate: str, baselines: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of one candidate in one metric."""
    spread = taken.spread(candidate)
    ratios = (_ratio_text(taken, candidate, baseline) for baseline in baselines)
    budgets = [budget for budget in taken.budgets if budget.candidate == candidate]
    return (
        f"  {candidate}",
        number(spread.median),
        f"{number(spread.low_quartile)} to {number(spread.high_quartile)}",
        f"{number(spread.least)} to {number(spread.most)}",
        str(spread.count) if spread.count >= ROUNDS_MIN else f"{spread.count} (try-out)",
        *ratios,
        ", ".join(_budget_text(taken, budget) for budget in budgets),
    )


def _ratio_text(taken: Measurement, candidate: str, baseline: str) -> str:
    """Return "0.92 (0.90 to 0.95)", or nothing where there is nothing to compare."""
    if baseline not in taken.samples or baseline == candidate:
        return "1" if baseline == candidate else ""
    ratio = taken.ratio(candidate, baseline=baseline)
    return f"{ratio.median:.2f} ({ratio.low_quartile:.2f} to {ratio.high_quartile:.2f})"


def _budget_text(taken: Measurement, budget: Budget) -> str:
    """Return "at least 0.82 of host: kept", as far as it was measured."""
    word = "at least" if taken.metric.better is Better.HIGHER else "at most"
    of = f" of {budget.baseline}" if budget.baseline else ""
    verdict = {True: "kept", False: "MISSED", None: "not measured"}[taken.keeps(budget)]
    return f"{word} {budget.limit:g}{of}: {verdict}"


def number(value: float) -> str:
    """Return `value` with three digits that count, and no more decimals than that."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return `rows` as lines of columns; a row of a single cell is a title and takes no width."""
    wide = [row for row in rows if len(row) > 1]
    widths = [max(len(row[column]) for row in wide) for column in range(len(wide[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row[:-1], widths, strict=False))
        ]
        lines.append("  ".join([*cells, row[-1]]).rstrip() if len(row) > 1 else row[0])
    return lines


def document(answer: Answer, setting: Setting) -> dict[str, Any]:
    """Return everything measured, down to each sample, as plain values for JSON."""
    return {
        "format": FORMAT,
        "name": answer.name,
        "question": answer.question,
        "notes": list(answer.notes),
        "setting": {
            "processor": setting.processor,
            "processors": setting.processors,
            "memory_mib": setting.memory_mib,
            "kernel": setting.kernel,
            "commit": setting.commit,
            "date": setting.date,
            "idle": setting.idle,
            "versions": dict(setting.versions),
        },
        "measurements": [_measurement_document(taken) for taken in answer.measurements],
    }


def _measurement_document(taken: Measurement) -> dict[str, Any]:
    """Return one metric's part of `document`."""
    candidates = {
        name: {
            "samples": list(samples),
            "spread": _spread_document(taken.spread(name)),
            "ratios": {
                baseline: _spread_document(taken.ratio(name, baseline=baseline))
                for baseline in taken.baselines
                if baseline in taken.samples and baseline != name
            },
        }
        for name, samples in taken.samples.items()
    }
    return {
        "metric": taken.metric.name,
        "unit": taken.metric.unit,
        "better": taken.metric.better.value,
        "candidates": candidates,
        "budgets": [
            {
                "candidate": budget.candidate,
                "baseline": budget.baseline,
                "limit": budget.limit,
                "kept": taken.keeps(budget),
            }
            for budget in taken.budgets
        ],
    }


def _spread_document(spread: Spread) -> dict[str, float]:
    """Return a spread by the names of its numbers."""
    return {
        "median": spread.median,
        "low_quartile": spread.low_quartile,
        "high_quartile": spread.high_quartile,
        "least": spread.least,
        "most": spread.most,
        "count": spread.count,
    }
