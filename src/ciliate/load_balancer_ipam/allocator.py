"""Who has which address of which pool. Pure: a book of what pools and Services say and have.

An address is kept as long as a pool has it and selects the Service, whatever becomes of others:
a pool that is disabled or in conflict only gives nothing more. No two Services have one address
unless they share it (`sharing`). Older Services come first, in what they take over at a start and
in what they get when something becomes free; a freed address is given again last.

Every change returns the keys of the Services whose outcome it may have changed.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ciliate.api.resource import ObjectKey
from ciliate.load_balancer_ipam import shortages
from ciliate.load_balancer_ipam.blocks import Block
from ciliate.load_balancer_ipam.pools import Pool, without_conflicts
from ciliate.load_balancer_ipam.requests import INVALID_IP, NOTHING, Request, Shortage
from ciliate.load_balancer_ipam.sharing import obstacle
from ciliate.net.address import IPAddress


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a Service has, and what it lacks; without a reason it has all that it asks for."""

    addresses: tuple[IPAddress, ...]
    lack: Shortage
    is_satisfied: bool


@dataclass(slots=True)
class _Use:
    """How much of a block is given, and where the next search in it begins."""

    next_number: int
    given: int = 0
    kept_back: int = 0  # Given before the pool kept the first and last address back.


class Allocator:
    """All pools, and every Service that gets its addresses here."""

    def __init__(self) -> None:
        self.pools: tuple[Pool, ...] = ()  # The oldest first.
        self._requests: dict[ObjectKey, Request] = {}
        self._given: dict[ObjectKey, tuple[IPAddress, ...]] = {}
        self._holders: dict[IPAddress, set[ObjectKey]] = {}
        self._groups: dict[str, set[ObjectKey]] = {}  # By sharing key.
        self._lacks: dict[ObjectKey, Shortage] = {}
        #: What a pool took back: had again when it comes back, if nobody else has it by then.
        self._former: dict[ObjectKey, tuple[IPAddress, ...]] = {}
        self._uses: dict[tuple[str, Block], _Use] = {}

    @property
    def keys(self) -> Iterable[ObjectKey]:
        """The Services that it knows."""
        return self._requests.keys()

    @property
    def unsatisfied(self) -> int:
        """How many Services have not what they need."""
        return sum(not self._outcome(key).is_satisfied for key in self._lacks)

    def __len__(self) -> int:
        return len(self._requests)

    def outcome(self, key: ObjectKey) -> Outcome | None:
        """Return what a Service has and lacks, None where it is not known."""
        return self._outcome(key) if key in self._requests else None

    def used(self, pool: Pool) -> tuple[int, int]:
        """Return how many addresses of a pool Services have, and how many of it could be given."""
        uses = [self._uses[pool.name, block] for block in dict.fromkeys(pool.blocks)]
        given = sum(use.given for use in uses)
        left = sum(block.size for block in dict.fromkeys(pool.blocks)) - given
        return given + sum(use.kept_back for use in uses), left

    def load(
        self, pools: Iterable[Pool], found: Mapping[ObjectKey, tuple[Request, Sequence[IPAddress]]]
    ) -> None:
        """Begin with what Services have; nothing is given before all of them have been looked at."""
        self.pools = without_conflicts(pools)
        self._count()
        ordered = sorted(found.values(), key=lambda entry: entry[0].age)
        for request, held in ordered:
            self._enter(request)
            self._take_over(request, held)
        for request, _ in ordered:
            self._satisfy(request)

    def set_pools(self, pools: Iterable[Pool]) -> set[ObjectKey]:
        """Have these be all pools: withdraw what none has any more, and give what there is."""
        self.pools = without_conflicts(pools)
        self._count()
        touched = set()
        for key, addresses in self._given.items():
            request = self._requests[key]
            lost = tuple(each for each in addresses if not self._is_kept(request, each))
            if lost:
                touched.add(key)
                self._former[key] = lost
        for key in touched:
            for address in self._former[key]:
                self._release(key, address)
        ordered = sorted(self._requests.values(), key=lambda request: request.age)
        return touched | self._satisfy_each(ordered)

    def put(self, request: Request, held: Sequence[IPAddress]) -> set[ObjectKey]:
        """Have the Service be as `request` says; `held` is what a new one says that it has."""
        key = request.key
        before = self._requests.get(key)
        if before == request:
            return set()
        self._enter(request)
        if before is None:
            self._take_over(request, held)
            freed = False
        else:
            freed = self._drop(request, self._keepable(request, self._given.get(key, ())))
        self._satisfy(request)
        # Others may have been waiting for what became free, or for this one's address to share.
        return {key} | (self._retry() if freed or request.sharing.key else set())

    def remove(self, key: ObjectKey) -> set[ObjectKey]:
        """Forget a Service; what it had is free."""
        request = self._requests.get(key)
        if request is None:
            return set()
        freed = self._drop(request, ())
        del self._requests[key]
        self._leave_group(request)
        for table in (self._given, self._lacks, self._former):
            table.pop(key, None)
        return {key} | (self._retry() if freed else set())

    def _enter(self, request: Request) -> None:
        before = self._requests.get(request.key)
        if before is not None:
            self._leave_group(before)
        self._requests[request.key] = request
        if request.sharing.key:
            self._groups.setdefault(request.sharing.key, set()).add(request.key)

    def _leave_group(self, request: Request) -> None:
        group = self._groups.get(request.sharing.key)
        if group is not None:
            group.discard(request.key)
            if not group:
                del self._groups[request.sharing.key]

    def _outcome(self, key: ObjectKey) -> Outcome:
        request, addresses = self._requests[key], self._given.get(key, ())
        lack = self._lacks.get(key, NOTHING)
        needs_all = request.needs_all or request.asked or request.problem.reason
        enough = bool(addresses) and not needs_all
        return Outcome(addresses, lack, is_satisfied=not lack.reason or enough)

    def _take_over(self, request: Request, held: Sequence[IPAddress]) -> None:
        for address in self._keepable(request, held):
            self._hold(request.key, address)

    def _keepable(self, request: Request, held: Sequence[IPAddress]) -> list[IPAddress]:
        """Return what a Service may go on having: one of each family, unless it asks for more."""
        kept: list[IPAddress] = []
        for address in dict.fromkeys(held):
            is_surplus = not request.asked and address.version in {each.version for each in kept}
            if not is_surplus and self._may_have(request, address):
                kept.append(address)
        return kept

    def _may_have(self, request: Request, address: IPAddress) -> bool:
        """Whether a Service that has, or had, the address may go on having it."""
        return (
            request.wants(address)
            and self._is_kept(request, address)
            and not self._obstacle(request, address)
        )

    def _is_kept(self, request: Request, address: IPAddress) -> bool:
        return any(pool.has(address) and pool.selects(request.labels) for pool in self.pools)

    def _obstacle(self, request: Request, address: IPAddress) -> str:
        """Return why those that have the address do not share it, empty if they do."""
        for key in sorted(self._holders.get(address, ())):
            if key == request.key:
                continue
            other = self._requests[key]
            if not (request.sharing.key and other.sharing.key):
                return f"Service {'/'.join(key)} has it, and does not share it"
            if problem := obstacle(request.sharing, other.sharing):
                return f"Service {'/'.join(key)} has it, and cannot share it: {problem}"
        return ""

    def _hold(self, key: ObjectKey, address: IPAddress) -> None:
        holders = self._holders.setdefault(address, set())
        if key in holders:
            return
        if not holders:
            self._note_use(address, 1)
        holders.add(key)
        self._given[key] = (*self._given.get(key, ()), address)

    def _release(self, key: ObjectKey, address: IPAddress) -> None:
        holders = self._holders[address]
        holders.discard(key)
        self._given[key] = tuple(each for each in self._given[key] if each != address)
        if not holders:
            del self._holders[address]
            self._note_use(address, -1)

    def _drop(self, request: Request, kept: Collection[IPAddress]) -> bool:
        """Take from a Service all but `kept`; return whether that was anything."""
        lost = [each for each in self._given.get(request.key, ()) if each not in kept]
        for address in lost:
            self._release(request.key, address)
        return bool(lost)

    def _count(self) -> None:
        """Count anew what is given; where a block stays, its next search begins where it would."""
        before = self._uses
        self._uses = {
            (pool.name, block): _Use(next_number=before[pool.name, block].next_number)
            if (pool.name, block) in before
            else _Use(next_number=block.low)
            for pool in self.pools
            for block in pool.blocks
        }
        for address in self._holders:
            self._note_use(address, 1)

    def _note_use(self, address: IPAddress, change: int) -> None:
        for pool in self.pools:
            block = pool.block_of(address)
            if block is None:
                continue
            use = self._uses[pool.name, block]
            if block.may_give(address):
                use.given += change
            else:
                use.kept_back += change

    def _satisfy(self, request: Request) -> bool:
        """Give a Service what it lacks, as far as there is; return whether its outcome changed."""
        key = request.key
        before = self._given.get(key), self._lacks.get(key)
        if request.asked:
            missing = [each for each in request.asked if each not in self._given.get(key, ())]
            lacks = [self._give_asked(request, each) for each in missing]
        elif request.problem.reason == INVALID_IP:
            lacks = []  # It asks for something, and not for whatever there is.
        else:
            lacks = [self._give_any(request, each) for each in self._missing_versions(request)]
        lack = next((each for each in (request.problem, *lacks) if each.reason), None)
        if lack is None:
            self._lacks.pop(key, None)
            self._former.pop(key, None)
        else:
            self._lacks[key] = lack
        return before != (self._given.get(key), self._lacks.get(key))

    def _missing_versions(self, request: Request) -> list[int]:
        there = {each.version for each in self._given.get(request.key, ())}
        return [version for version in request.versions if version not in there]

    def _give_asked(self, request: Request, address: IPAddress) -> Shortage:
        obstacle = self._obstacle(request, address)
        lack = shortages.of_asked(request, address, self.pools, obstacle)
        if not lack.reason:
            self._hold(request.key, address)
        return lack

    def _give_any(self, request: Request, version: int) -> Shortage:
        for address in self._former.get(request.key, ()):
            if address.version == version and not self._give_asked(request, address).reason:
                return NOTHING
        obstacles = []
        for address in self._shareable(request, version):
            obstacle = self._obstacle(request, address)
            if not obstacle:
                self._hold(request.key, address)
                return NOTHING
            obstacles.append(f"{address}: {obstacle}")
        free = self._next_free(request, version)
        if free is None:
            return shortages.of_family(request, version, self.pools, "; ".join(obstacles[:1]))
        self._hold(request.key, free)
        return NOTHING

    def _shareable(self, request: Request, version: int) -> list[IPAddress]:
        """Return the addresses of a Service's sharing key."""
        found = {
            address
            for key in self._groups.get(request.sharing.key, ())
            for address in self._given.get(key, ())
            if address.version == version and self._is_kept(request, address)
        }
        return sorted(found, key=int)

    def _next_free(self, request: Request, version: int) -> IPAddress | None:
        for pool in self.pools:
            if not (pool.gives and pool.selects(request.labels)):
                continue
            for block in pool.blocks:
                use = self._uses[pool.name, block]
                if block.version == version and use.given < block.size:
                    return self._next_of(block, use)
        return None

    def _next_of(self, block: Block, use: _Use) -> IPAddress:
        """Return the next free address of a block that has one."""
        offset = use.next_number - block.low
        # So many are given, so one of the next is not.
        for step in range(use.given + 1):
            number = block.low + (offset + step) % block.size
            address = block.address(number)
            if address not in self._holders:
                use.next_number = number + 1
                return address
        raise AssertionError(f"{block.text}: {use.given} of {block.size} given, and none is free")

    def _retry(self) -> set[ObjectKey]:
        """Satisfy who lacks something, after something became free."""
        waiting = sorted((self._requests[key] for key in self._lacks), key=lambda each: each.age)
        return self._satisfy_each(waiting)

    def _satisfy_each(self, requests: Iterable[Request]) -> set[ObjectKey]:
        return {request.key for request in requests if self._satisfy(request)}
