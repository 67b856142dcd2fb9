"""`system/memory.py`: what a burst needed is not kept."""

from pathlib import Path

from ciliate.system.memory import give_back

MIB = 1 << 20


def resident() -> int:
    """Return the octets of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


def test_what_is_free_between_what_stays_goes_back() -> None:
    pieces = [bytes(4000) for _ in range(16384)]
    stays = pieces[::512]
    full = resident()
    del pieces

    give_back()

    assert len(stays) == 32
    assert resident() < full - 32 * MIB
