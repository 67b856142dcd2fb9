"""`tools/mutants.py`: a fair sample, and the tests that are asked; mutmut itself is not run."""

from pathlib import Path

from tools.mutants import mirror, module_of, sample

MUTANTS = [f"ciliate.ipam.pools.x_free__mutmut_{n}" for n in range(100)] + [
    f"ciliate.net.link.x_up__mutmut_{n}" for n in range(3)
]


def test_sample_is_bounded_for_each_module_and_the_same_for_the_same_seed() -> None:
    drawn = list(sample(MUTANTS, 10, seed=1))

    assert drawn == list(sample(MUTANTS, 10, seed=1))
    assert drawn != list(sample(MUTANTS, 10, seed=2))
    assert len(set(drawn)) == 10 + 3
    assert [module_of(name) for name in drawn].count("ciliate.net.link") == 3


def test_sample_of_a_module_does_not_depend_on_the_others() -> None:
    alone = list(sample(MUTANTS[:100], 10, seed=1))

    assert alone == [each for each in sample(MUTANTS, 10, seed=1) if each in MUTANTS[:100]]


def test_module_is_asked_by_the_tests_of_its_package() -> None:
    assert mirror(Path("src/ciliate/ipam/audit/node.py")) == Path("tests/unit/ipam")
    assert mirror(Path("src/ciliate/net/link.py")) == Path("tests/unit/net")
