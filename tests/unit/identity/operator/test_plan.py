from hypothesis import given
from hypothesis import strategies as st

from ciliate.api.cilium_identity import CiliumIdentity
from ciliate.api.metadata import ObjectMeta
from ciliate.identity.operator.plan import MARK, IdentityUses, IdentityVerdict

TIMEOUT_S = 1800.0


def identity(number: int, *, marked: bool = False) -> CiliumIdentity:
    annotations = {MARK: "2025-07-01T12:00:00Z"} if marked else {}
    return CiliumIdentity(metadata=ObjectMeta(name=str(number), annotations=annotations))


def test_an_unused_identity_is_marked_and_then_deleted() -> None:
    uses = IdentityUses(timeout_s=TIMEOUT_S, began_s=0)

    assert uses.verdict(identity(1), TIMEOUT_S - 1) is IdentityVerdict.KEEP
    assert uses.verdict(identity(1), TIMEOUT_S) is IdentityVerdict.MARK
    assert uses.verdict(identity(1, marked=True), TIMEOUT_S) is IdentityVerdict.DELETE


def test_a_mark_found_at_start_is_not_believed_before_the_timeout() -> None:
    """Another operator may have marked it; agents may have used it since."""
    uses = IdentityUses(timeout_s=TIMEOUT_S, began_s=0)

    assert uses.verdict(identity(1, marked=True), TIMEOUT_S - 1) is IdentityVerdict.UNMARK


def test_a_used_identity_loses_its_mark() -> None:
    uses = IdentityUses(timeout_s=TIMEOUT_S, began_s=0)
    uses.use("1", now_s=5000)

    assert uses.verdict(identity(1, marked=True), 5001) is IdentityVerdict.UNMARK
    assert uses.verdict(identity(1), 5001) is IdentityVerdict.KEEP


def test_what_is_remembered_is_bounded_by_what_exists() -> None:
    uses = IdentityUses(timeout_s=TIMEOUT_S, began_s=0)
    for number in range(100):
        uses.use(str(number), now_s=1)

    uses.forget({("", "7"): identity(7)})

    assert set(uses.used_at) == {"7"}


@given(
    uses=st.lists(st.floats(0, 10_000), max_size=20),
    now_s=st.floats(0, 20_000),
    marked=st.booleans(),
)
def test_no_identity_used_within_the_timeout_is_deleted(
    uses: list[float], now_s: float, *, marked: bool
) -> None:
    seen = IdentityUses(timeout_s=TIMEOUT_S, began_s=0)
    for at_s in sorted(at for at in uses if at <= now_s):
        seen.use("1", at_s)

    verdict = seen.verdict(identity(1, marked=marked), now_s)

    last_s = max((at for at in uses if at <= now_s), default=0.0)
    if verdict is IdentityVerdict.DELETE:
        assert now_s - last_s >= TIMEOUT_S
        assert marked
