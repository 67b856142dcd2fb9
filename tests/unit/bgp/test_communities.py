"""Communities in the forms that people write become those that routers compare."""

import pytest

from ciliate.api.bgp import Communities
from ciliate.bgp.communities import large_communities, standard_communities


def test_numbers_pairs_and_names_are_the_same_marks() -> None:
    found = standard_communities(
        Communities(
            standard=("65000:100", "4259840100", "65535:65281"),
            well_known=("no-export", "internet", "blackhole"),
        )
    )

    assert found == {"65000:100", "65535:65281", "0:0", "65535:666"}


def test_large_ones_have_three_numbers() -> None:
    assert large_communities(Communities(large=("4294967295:0:7",))) == {"4294967295:0:7"}


@pytest.mark.parametrize(
    "text",
    ["65536:1", "1:65536", "4294967296", "1:2:3", "a:1", "-1:2", "", "1:", "\u0661:1", "1;2"],
)
def test_what_is_no_community_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is no community"):
        standard_communities(Communities(standard=(text,)))


@pytest.mark.parametrize("text", ["1:2", "1:2:3:4", "1:2:x", "1:2:4294967296"])
def test_what_is_no_large_community_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="community"):
        large_communities(Communities(large=(text,)))


def test_a_name_that_nobody_knows_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match="no-export"):
        standard_communities(Communities(well_known=("no-exprt",)))
