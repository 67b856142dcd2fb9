"""Ids that outlive the agent: of frontends, of sets of backends, and of backends. Pure.

A freed id is used again last, and not before others were freed after it: an entry that still names
it, in a map that is written in a moment or in a client's affinity, then leads to nobody else. Ids
that the maps hold when the agent starts are taken over by who names them.
"""

from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from itertools import repeat
from typing import Final

#: Freed ids that are kept before the first of them is used again.
RESTING_MAX: Final = 4096

#: An id of the maps that is larger than this, and than so many times their count, is not taken over:
#: what ids lead to is kept in a list.
_ADOPTED_LEAST: Final = 65536
_ADOPTED_TIMES: Final = 4


class Numbers:
    """Free and used ids from 1 on."""

    def __init__(self) -> None:
        self.given = 0  # How often an id was taken.
        self._next = 1
        self._free: deque[int] = deque()
        #: Of the maps, not taken over yet.
        self._adopted: set[int] = set()

    def adopt(self, numbers: Iterable[int]) -> None:
        """Keep ids that the maps hold from everybody but who takes them over; once, at first."""
        held = set(numbers)
        most = max(_ADOPTED_LEAST, _ADOPTED_TIMES * len(held))
        self._adopted = {number for number in held if 0 < number <= most}
        self._next = max(self._adopted, default=0) + 1
        self._free.extend(each for each in range(1, self._next) if each not in self._adopted)

    def take(self, preferred: int = 0) -> int:
        """Return an id: `preferred`, where it was adopted and nobody has taken it over."""
        self.given += 1
        if preferred in self._adopted:
            self._adopted.remove(preferred)
            return preferred
        if len(self._free) > RESTING_MAX:
            return self._free.popleft()
        self._next += 1
        return self._next - 1

    def free(self, number: int) -> None:
        """Give an id back."""
        self._free.append(number)

    def settle(self) -> None:
        """Free what nobody has taken over: everybody has been asked."""
        self._free.extend(sorted(self._adopted))
        self._adopted = set()


def backend_key(address: bytes, port: int, protocol: int) -> bytes:
    """Return what stands for a backend: 16, 2 and 1 octets, as on the wire."""
    return address + port.to_bytes(2, "big") + protocol.to_bytes(1, "big")


class BackendNumbers:
    """Ids of backends, by address, port and protocol; each with how many name it."""

    def __init__(self) -> None:
        self._numbers = Numbers()
        self._by_key: dict[bytes, int] = {}
        self._keys: list[bytes] = [b""]  # By id.
        self._named = array("I", (0,))  # Likewise: how often it is named.
        #: Of the maps, by key; who names the key takes the id over, and the entry out.
        self._adopted: dict[bytes, int] = {}
        #: Those that nobody names any more, until they are asked for.
        self._lost: set[bytes] = set()

    @property
    def given(self) -> int:
        """How often an id was given to a backend."""
        return self._numbers.given

    def __len__(self) -> int:
        return len(self._by_key)

    def __contains__(self, key: object) -> bool:
        """Whether somebody names the backend of this key."""
        return key in self._by_key

    def adopt(self, known: dict[bytes, int]) -> None:
        """Take over the ids that the maps hold."""
        self._adopted = known
        self._numbers.adopt(known.values())

    def settle(self) -> None:
        """Everybody has named what it has: adopted ones that nobody named are lost."""
        self._lost.update(self._adopted)
        self._adopted = {}
        self._numbers.settle()

    def key(self, number: int) -> bytes:
        """Return address, port and protocol of a backend: 16, 2 and 1 octets, as on the wire."""
        return self._keys[number]

    def number(self, address: bytes, port: int, protocol: int) -> int:
        """Return the id of a backend, or 0."""
        return self._by_key.get(backend_key(address, port, protocol), 0)

    def name(self, keys: Sequence[bytes], held: AbstractSet[int]) -> list[int]:
        """Return the ids of these backends; those not among `held` are named once more."""
        numbers = list(map(self._by_key.get, keys, repeat(0)))
        # Of a large Service, all but a few are held.
        others = [at for at, number in enumerate(numbers) if number not in held]
        for at in others:
            number = numbers[at] = numbers[at] or self._enter(keys[at])
            self._named[number] += 1
        return numbers

    def unname(self, numbers: Iterable[int]) -> None:
        """Name these once less; what nobody names is lost, and its id free."""
        for number in numbers:
            self._named[number] -= 1
            if not self._named[number]:
                key, self._keys[number] = self._keys[number], b""
                del self._by_key[key]
                self._lost.add(key)
                self._numbers.free(number)

    def take_lost(self) -> frozenset[bytes]:
        """Return the backends that were lost since the last call and are not named again."""
        lost, self._lost = self._lost, set()
        return frozenset(lost)

    def _enter(self, key: bytes) -> int:
        self._lost.discard(key)
        number = self._numbers.take(self._adopted.pop(key, 0))
        self._by_key[key] = number
        missing = number + 1 - len(self._keys)
        if missing > 0:
            self._keys.extend((b"",) * missing)
            self._named.extend((0,) * missing)
        self._keys[number] = key
        return number
