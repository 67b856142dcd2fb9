"""The allocator under any order of Services and pools that come, change and go.

CILIATE_LONG_TESTS=1 runs about a hundred thousand steps.
"""

import os
from dataclasses import dataclass
from itertools import combinations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.unit.load_balancer_ipam.objects import BOTH, SHARING, pool, service

from ciliate.api.load_balancer_ip_pool import CiliumLoadBalancerIPPool
from ciliate.api.resource import ObjectKey
from ciliate.api.service import Service
from ciliate.load_balancer_ipam.allocator import Allocator
from ciliate.load_balancer_ipam.pools import Pool, read_pool
from ciliate.load_balancer_ipam.requests import Request, read_request
from ciliate.load_balancer_ipam.sharing import obstacle
from ciliate.net.address import IPAddress

LONG = bool(os.environ.get("CILIATE_LONG_TESTS"))

BLOCKS = ["192.0.2.0/30", "192.0.2.2 - 192.0.2.5", "192.0.2.6", "2001:db8::/127", "wrong"]
ADDRESSES = ["192.0.2.0", "192.0.2.3", "192.0.2.6", "2001:db8::1", "203.0.113.1"]
POLICIES = ["SingleStack", "PreferDualStack", "RequireDualStack"]

POOLS = st.builds(
    lambda name, blocks, ends, chosen, disabled: pool(
        *blocks,
        name=name,
        second=ord(name),
        ends=ends,
        selector={"color": chosen} if chosen else None,
        disabled=disabled,
    ),
    name=st.sampled_from("!#%"),
    blocks=st.lists(st.sampled_from(BLOCKS), max_size=3, unique=True),
    ends=st.sampled_from(["", "No"]),
    chosen=st.sampled_from(["", "", "red"]),
    disabled=st.sampled_from([False, False, True]),
)
SERVICES = st.builds(
    lambda name, color, key, port, policy, asked: service(
        name,
        second=int(name[1:]),
        labels={"color": color},
        annotations={SHARING: key, "lbipam.cilium.io/ips": ",".join(asked)},
        ports=[(port, "TCP")],
        ip_family_policy=policy,
        ip_families=("IPv4", "IPv6") if policy != "SingleStack" else (),
    ),
    name=st.sampled_from([f"s{number}" for number in range(7)]),
    color=st.sampled_from(["red", "blue"]),
    key=st.sampled_from(["", "k", "l"]),
    port=st.integers(80, 82),
    policy=st.sampled_from(POLICIES),
    asked=st.lists(st.sampled_from(ADDRESSES), max_size=2),
)


@dataclass
class Known:
    """What the API holds."""

    pools: dict[str, CiliumLoadBalancerIPPool]
    services: dict[ObjectKey, Service]

    @property
    def read_pools(self) -> list[Pool]:
        return [read_pool(each) for each in self.pools.values()]


class AnyOrder(RuleBasedStateMachine):
    """Every change is told to the allocator as the tables would."""

    def __init__(self) -> None:
        super().__init__()
        self.known = Known({}, {})
        self.book = Allocator()
        self.book.load([], {})

    @rule(made=POOLS)
    def put_pool(self, made: CiliumLoadBalancerIPPool) -> None:
        self.known.pools[made.metadata.name] = made
        self._told(self.book.set_pools(self.known.read_pools))

    @precondition(lambda self: self.known.pools)
    @rule(data=st.data())
    def remove_pool(self, data: st.DataObject) -> None:
        del self.known.pools[data.draw(st.sampled_from(sorted(self.known.pools)))]
        self._told(self.book.set_pools(self.known.read_pools))

    @rule(made=SERVICES)
    def put_service(self, made: Service) -> None:
        request = read_request(made, BOTH)
        self.known.services[request.key] = made
        self._told(self.book.put(request, ()))

    @precondition(lambda self: self.known.services)
    @rule(data=st.data())
    def remove_service(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.known.services)))
        del self.known.services[key]
        self._told(self.book.remove(key))

    def _told(self, touched: set[ObjectKey]) -> None:
        """Nothing changed but what the allocator said."""
        before = getattr(self, "before", {})
        now = {key: self.book.outcome(key) for key in self.known.services}
        assert {key for key in before.keys() & now.keys() if before[key] != now[key]} <= touched
        self.before = now

    @property
    def has(self) -> dict[ObjectKey, tuple[IPAddress, ...]]:
        found = {}
        for key in self.known.services:
            outcome = self.book.outcome(key)
            assert outcome is not None
            found[key] = outcome.addresses
        return found

    def requests(self) -> dict[ObjectKey, Request]:
        return {key: read_request(each, BOTH) for key, each in self.known.services.items()}

    @invariant()
    def no_two_have_one_address_unless_they_share_it(self) -> None:
        requests = self.requests()
        for (one, its), (other, theirs) in combinations(self.has.items(), 2):
            if set(its) & set(theirs):
                assert obstacle(requests[one].sharing, requests[other].sharing) == ""

    @invariant()
    def what_a_service_has_it_wants_and_may_have(self) -> None:
        requests = self.requests()
        for key, addresses in self.has.items():
            assert len(set(addresses)) == len(addresses)
            for address in addresses:
                assert requests[key].wants(address)
                assert any(
                    each.has(address) and each.selects(requests[key].labels)
                    for each in self.book.pools
                )

    @invariant()
    def nobody_lacks_what_is_free(self) -> None:
        taken = {address for addresses in self.has.values() for address in addresses}
        for key, request in self.requests().items():
            for version in request.versions if not request.asked else ():
                if any(address.version == version for address in self.has[key]):
                    continue
                for each in self.book.pools:
                    if not (each.gives and each.selects(request.labels)):
                        continue
                    for block in each.blocks:
                        if block.version == version:
                            numbers = range(block.low, block.high + 1)
                            assert {block.address(number) for number in numbers} <= taken
            for address in request.asked:
                free = address not in taken and any(
                    each.gives
                    and each.selects(request.labels)
                    and (found := each.block_of(address)) is not None
                    and found.may_give(address)
                    for each in self.book.pools
                )
                assert not free

    @invariant()
    def numbers_are_those_of_what_is_given(self) -> None:
        taken = {address for addresses in self.has.values() for address in addresses}
        for each in self.book.pools:
            if not each.conflict:
                used, _left = self.book.used(each)
                assert used == sum(each.names(address) for address in taken)

    @invariant()
    def restart_changes_no_address(self) -> None:
        again = Allocator()
        requests = self.requests()
        again.load(
            self.known.read_pools,
            {key: (requests[key], self.has[key]) for key in self.known.services},
        )
        for key, addresses in self.has.items():
            outcome = again.outcome(key)
            assert outcome is not None
            assert outcome.addresses[: len(addresses)] == addresses


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=2000 if LONG else 60,
    stateful_step_count=50 if LONG else 25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
