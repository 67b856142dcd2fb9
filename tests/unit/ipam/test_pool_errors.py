"""`ipam/pool_errors.py`: what keeps a node from a CIDR, as an operator reads it."""

from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.pool_errors import (
    ClaimConflict,
    PoolBlocksExhaustedError,
    PoolMissingError,
    PoolRangeError,
)

CIDR = Cidr.parse("10.0.1.0/24")


def test_missing_pool_and_missing_family_read_differently() -> None:
    assert "IPv6 addresses does not exist in pool blue" in str(
        PoolMissingError("blue", 6, exists=True)
    )
    assert "non-existing pool: blue" in str(PoolMissingError("blue", 6, exists=False))


def test_exhaustion_tells_of_kept_blocks_only_when_there_are_any() -> None:
    free = PoolBlocksExhaustedError("blue", 4, block_length=24, blocks=256, reserved=0)
    kept = PoolBlocksExhaustedError("blue", 4, block_length=24, blocks=256, reserved=3)

    assert "all 256 IPv4 blocks /24 of pool blue are in use: add" in str(free)
    assert "are in use, 3 of them by" in str(kept)


def test_conflict_names_the_other_claim_when_it_is_another_cidr() -> None:
    same = ClaimConflict("b", CIDR, owner="a", held=CIDR)
    wider = ClaimConflict("b", CIDR, owner="a", held=Cidr.parse("10.0.0.0/16"))

    assert str(same) == "requested CIDR (10.0.1.0/24) is already allocated to node a"
    assert str(wider).endswith("to node a, which has 10.0.0.0/16")


def test_range_error_gives_problem_and_remedy() -> None:
    error = PoolRangeError("blue", "ten", "'ten' is no CIDR", "write a CIDR")

    assert (error.pool, error.cidr) == ("blue", "ten")
    assert str(error) == "pool blue: 'ten' is no CIDR: write a CIDR"
