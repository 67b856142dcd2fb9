"""`ipam/claim_conflicts.py`: the later of two nodes that claim an address has the conflict."""

from ciliate.ipam.cidr_set import Cidr
from ciliate.ipam.claim_conflicts import ClaimConflicts
from ciliate.ipam.claims import ClaimIndex

WIDE, PART = Cidr.parse("10.0.0.0/23"), Cidr.parse("10.0.1.0/24")


class Claims:
    """An index and its conflicts, changed together."""

    def __init__(self) -> None:
        self.index = ClaimIndex()
        self.conflicts = ClaimConflicts(self.index)

    def enter(self, cidr: Cidr, node: str) -> None:
        self.index.add(cidr, node)
        self.conflicts.entered(cidr, node)

    def remove(self, cidr: Cidr, node: str) -> None:
        self.index.remove(cidr, node)
        self.conflicts.removed(cidr, node)


def test_later_claim_of_another_node_conflicts_with_the_earliest() -> None:
    claims = Claims()
    for cidr, node in ((WIDE, "a"), (PART, "b"), (PART, "c")):
        claims.enter(cidr, node)

    found = claims.conflicts.of("c", [PART])

    assert [(each.owner, each.held) for each in found] == [("a", WIDE)]
    assert claims.conflicts.of("a", [WIDE]) == ()
    assert len(claims.conflicts) == 2
    assert claims.conflicts.take_touched() == {"b", "c"}


def test_own_claims_that_overlap_are_no_conflict() -> None:
    claims = Claims()
    claims.enter(WIDE, "a")
    claims.enter(PART, "a")

    assert len(claims.conflicts) == 0


def test_end_of_the_earlier_claim_hands_the_conflict_on() -> None:
    claims = Claims()
    for cidr, node in ((WIDE, "a"), (PART, "b"), (PART, "c")):
        claims.enter(cidr, node)
    claims.conflicts.take_touched()

    claims.remove(WIDE, "a")

    assert claims.conflicts.of("b", [PART]) == ()
    assert [each.owner for each in claims.conflicts.of("c", [PART])] == ["b"]
    assert claims.conflicts.take_touched() == {"b", "c"}
    assert claims.conflicts.take_touched() == set()
