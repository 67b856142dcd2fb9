"""Plant faults in pure modules, one at a time, and see whether their unit tests notice.

mutmut makes the mutants and runs the tests; this chooses what it shall mutate (what a change
touches, or what is named), which tests are asked (the folder of `tests/unit` of the same package),
how many mutants of a module (a seeded sample), and prints a score for each module with the
difference that every survivor makes. docs/TESTING.md says how to read it.

It works in a copy under `build/mutants`: nothing outside of it is ever a mutant.
"""

import argparse
import ast
import difflib
import os
import random
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from tools.purity import is_pure

ROOT: Final = Path(__file__).parent.parent
WORKSPACE: Final = ROOT / "build" / "mutants"
MUTMUT: Final = Path(sys.executable).with_name("mutmut")
SOURCES: Final = Path("src/ciliate")

#: What a mutant that was noticed ended with, in mutmut's words. A mutant that never ends is seen.
NOTICED: Final = ("killed", "timeout", "segfault", "caught by type check")

#: The same examples for every mutant, none remembered from another one, and none made smaller:
#: that a test fails is enough.
CONFTEST: Final = """\
from hypothesis import Phase, settings

settings.register_profile(
    "mutants", derandomize=True, database=None, deadline=None, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile("mutants")
"""

CONFIGURATION: Final = """\
[mutmut]
source_paths =
{modules}
also_copy =
    src
    tools
    conftest.py
pytest_add_cli_args =
    -p
    no:xdist
    -p
    no:cacheprovider
pytest_add_cli_args_test_selection =
{tests}
timeout_multiplier = 10
timeout_constant = 2
use_git_change_detection = false
"""


def main() -> None:
    """Run what the command line asks for; ends with 1 when fewer than `--least` % are noticed."""
    arguments = _arguments()
    modules = list(_modules(arguments.paths)) or changed(arguments.since or _before())
    if not modules:
        print("no pure module differs: nothing to mutate")
        return
    prepare(modules)
    said = _mutmut("run", "--max-children", "1", "nothing", check=False)  # Makes, times the tests.
    if not (WORKSPACE / "mutants" / "mutmut-stats.json").exists():
        sys.exit(said)
    made = [mutant for mutant in results() if not is_prose(mutant)]
    chosen = list(sample(made, arguments.sample, seed=arguments.seed))
    _mutmut("run", "--max-children", "1", *chosen, quiet=not sys.stdout.isatty())
    known = results()
    noticed = report({name: known[name] for name in chosen})
    if noticed < arguments.least / 100 * len(chosen):
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("paths", nargs="*", type=Path, help="modules, or folders of them")
    parser.add_argument("--since", help="else: pure modules that differ from it; main")
    parser.add_argument("--sample", type=int, default=60, help="mutants of a module, at most")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--least", type=float, default=90, help="percent that must be noticed")
    return parser.parse_args()


def _modules(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield modules, and those of folders, by their paths in the tree."""
    for path in paths:
        for module in sorted(path.rglob("*.py")) if path.is_dir() else (path,):
            yield module.resolve().relative_to(ROOT)


def _before() -> str:
    """Return where this branch left main; on main itself the commit before."""
    here, base = (
        subprocess.run(
            ["git", *words], check=True, capture_output=True, text=True, cwd=ROOT
        ).stdout
        for words in (("rev-parse", "HEAD"), ("merge-base", "HEAD", "main"))
    )
    return "HEAD~1" if here == base else base.strip()


def changed(since: str) -> list[Path]:
    """Return the pure modules that differ from `since`, the working tree's changes included."""
    command = ["git", "diff", "--name-only", "--diff-filter=d", since, "--", str(SOURCES)]
    names = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    paths = [Path(name) for name in names.split()]
    return [path for path in paths if path.suffix == ".py" and is_pure(path.relative_to("src"))]


def prepare(modules: Sequence[Path]) -> None:
    """Copy the tree into the workspace and configure mutmut there."""
    shutil.rmtree(WORKSPACE, ignore_errors=True)
    for folder in ("src", "tests/unit", "tools"):
        shutil.copytree(
            ROOT / folder, WORKSPACE / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    (WORKSPACE / "conftest.py").write_text(CONFTEST)
    shutil.copy(ROOT / "pyproject.toml", WORKSPACE)
    folders = {mirror(module) for module in modules}
    tests = sorted(str(folder) for folder in folders if (ROOT / folder).is_dir())
    (WORKSPACE / "setup.cfg").write_text(
        CONFIGURATION.format(modules=_lines(map(str, modules)), tests=_lines(tests))
    )


def mirror(module: Path) -> Path:
    """Return the folder of the unit tests of a module's package."""
    package = module.relative_to(SOURCES).parts[0]
    return Path("tests/unit", package)


def _lines(words: Iterable[str]) -> str:
    return "\n".join(f"    {word}" for word in words)


def _mutmut(*words: str, check: bool = True, quiet: bool = True) -> str:
    """Run mutmut in the workspace; return what it prints, or show it as it comes."""
    ran = subprocess.run(
        [str(MUTMUT), *words],
        cwd=WORKSPACE,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
        check=False,
    )
    if check and ran.returncode:
        sys.exit(f"mutmut {words[0]} ended with {ran.returncode}: {ran.stdout or 'see above'}")
    return ran.stdout or ""


def results() -> dict[str, str]:
    """Return every mutant's name and what became of it."""
    lines = _mutmut("results", "--all", "true").splitlines()
    return dict(line.strip().split(": ", 1) for line in lines if "__mutmut_" in line)


def module_of(mutant: str) -> str:
    """Return the dotted name of a mutant's module."""
    return mutant.rpartition(".")[0]


def sample(mutants: Iterable[str], size: int, *, seed: int) -> Iterator[str]:
    """Yield at most `size` mutants of each module; the same ones for the same seed."""
    of_module = defaultdict(list)
    for mutant in mutants:
        of_module[module_of(mutant)].append(mutant)
    for module, names in sorted(of_module.items()):
        draw = random.Random(f"{seed} {module}")
        yield from names if len(names) <= size else draw.sample(names, size)


def report(known: dict[str, str]) -> int:
    """Print the survivors and a table of modules; return how many mutants were noticed."""
    for name, state in known.items():
        if state not in NOTICED:
            print(f"\n{state}: {name}\n{difference(name)}")
    asked, noticed = Counter(map(module_of, known)), Counter[str]()
    for name, state in known.items():
        noticed[module_of(name)] += state in NOTICED
    print("\n| module | mutants | noticed | % |\n|---|---:|---:|---:|")
    for module, count in sorted(asked.items()):
        print(f"| `{module}` | {count} | {noticed[module]} | {noticed[module] / count:.0%} |")
    print(f"| all | {len(known)} | {noticed.total()} | {noticed.total() / len(known):.0%} |")
    return noticed.total()


def difference(mutant: str) -> str:
    """Return the lines in which a mutant differs from its original."""
    original, mutated = (ast.unparse(each).splitlines()[1:] for each in _variants(mutant))
    lines = difflib.unified_diff(original, mutated, n=0, lineterm="")
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def is_prose(mutant: str) -> bool:
    """Whether only words of a message differ: a test that repeats them would prove nothing."""
    original, mutated = (
        [node for node in ast.walk(each) if not isinstance(node, ast.FunctionDef)]
        for each in _variants(mutant)
    )
    differing = [
        before
        for before, after in zip(original, mutated, strict=False)
        if isinstance(before, ast.Constant) and ast.dump(before) != ast.dump(after)
    ]
    return len(original) == len(mutated) and any(
        isinstance(constant.value, str) and " " in constant.value for constant in differing
    )


def _variants(mutant: str) -> tuple[ast.FunctionDef, ast.FunctionDef]:
    """Return the function as it is and as the mutant has it."""
    name = mutant.rpartition(".")[2]
    known = _functions(module_of(mutant))
    return known[name.rpartition("__mutmut_")[0] + "__mutmut_orig"], known[name]


@cache
def _functions(module: str) -> dict[str, ast.FunctionDef]:
    path = WORKSPACE / "mutants" / "src" / Path(*module.split(".")).with_suffix(".py")
    tree = ast.parse(path.read_text())
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


if __name__ == "__main__":
    main()
