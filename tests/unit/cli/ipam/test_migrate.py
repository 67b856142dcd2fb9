"""`cli/ipam/migrate.py`: options that exclude each other are refused before any request."""

import pytest
from click.testing import CliRunner

from ciliate.cli.ipam.migrate import command


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--resume", "--back"),
        ("--to", "multi-pool", "--resume"),
        ("--back", "--set", "debug=true"),
        ("--to", "delegated-plugin"),
    ],
)
def test_words_that_contradict_each_other_are_refused(words: tuple[str, ...]) -> None:
    assert CliRunner().invoke(command, words).exit_code == 2


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("ipam.mode=multi-pool", "is what --to says"),
        ("clusterPolIPv4MaskSize=24", "is not a known setting"),
        ("ipMasqAgent.config.masqLinkLocal=true", "is no setting of cilium-config"),
    ],
)
def test_setting_that_is_not_the_migrations_is_refused(word: str, said: str) -> None:
    done = CliRunner().invoke(command, ("--to", "cluster-pool", "--set", word))

    assert said in str(done.exception)
