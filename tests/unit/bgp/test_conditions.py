"""Words of conditions fit the schemas."""

from ciliate.bgp.conditions import MESSAGE_LENGTH_MAX, words


def test_a_message_fits_the_schema() -> None:
    assert len(words("a", holds=True, reason="A", message="x" * 10**6)[3]) == MESSAGE_LENGTH_MAX
