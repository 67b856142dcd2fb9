"""`identity/status.py`: the identity line of `dbg status`."""

from ciliate.identity.status import IdentityRange, lines


def test_range_is_told_with_both_ends() -> None:
    state = IdentityRange(min_identity=256, max_identity=65535)

    assert list(lines(state)) == ["Global Identity Range:\tmin 256, max 65535"]
