"""MurmurHash3 of 128 bits, by vectors of its author's implementation."""

import pytest

from ciliate.services.murmur3 import hash128


@pytest.mark.parametrize(
    ("octets", "seed", "halves"),
    [
        (b"", 0, (0, 0)),
        (b"hello", 0, (0xCBD8A7B341BD9B02, 0x5B1E906A48AE1D19)),
        (
            b"The quick brown fox jumps over the lazy dog",
            0,
            (0xE34BBC7BBC071B6C, 0x7A433CA9C49A9347),
        ),
    ],
)
def test_known_hashes(octets: bytes, seed: int, halves: tuple[int, int]) -> None:
    assert hash128(octets, seed) == halves


def test_a_seed_and_each_octet_change_the_hash() -> None:
    texts = [b"x" * length for length in range(1, 50)]

    assert len({hash128(each, seed) for each in texts for seed in (0, 1)}) == 2 * len(texts)
