"""All policies together: their order, their bound, and what a wrong one leaves in force."""

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.masquerade.policy.policies import policy

from ciliate.api.masquerade_policy import RULES_MAX
from ciliate.masquerade.policy.book import POLICY_RULES_MAX, PolicyBook

KEEP, DEVICE, WRONG = {"source": "Pod"}, {"source": "Device"}, {"source": "Nobody"}


def _names(book: PolicyBook) -> list[str]:
    return [rule.name for rule in book.rules]


@given(
    st.dictionaries(
        st.text("abc", min_size=1, max_size=2), st.integers(0, 3), min_size=1, max_size=8
    ).flatmap(lambda known: st.tuples(st.just(known), st.permutations(sorted(known))))
)
def test_lower_priorities_come_first_then_names_whatever_came_first(
    case: tuple[dict[str, int], list[str]],
) -> None:
    priorities, order = case
    book = PolicyBook()

    for name in order:
        book.put(policy(KEEP, DEVICE, name=name, priority=priorities[name]))

    ordered = sorted(priorities, key=lambda name: (priorities[name], name))
    assert _names(book) == [f"policy/{name}/{index}" for name in ordered for index in (0, 1)]


def test_wrong_object_keeps_what_it_said_before_and_the_others_count() -> None:
    book = PolicyBook()
    book.put(policy(KEEP, name="a"))
    book.put(policy(KEEP, name="b"))

    book.put(policy(DEVICE, WRONG, name="a"))

    assert _names(book) == ["policy/a/0", "policy/b/0"]
    assert book.problems["a"].path == "spec.rules[1].source"
    assert book.keeps_former("a")
    assert not book.keeps_former("b")


def test_wrong_object_that_said_nothing_before_has_no_rule() -> None:
    book = PolicyBook()

    book.put(policy(WRONG, name="a"))

    assert not book.rules
    assert list(book.problems) == ["a"]
    assert not book.keeps_former("a")


def test_corrected_object_is_in_force_and_a_deleted_one_forgotten() -> None:
    book = PolicyBook()
    book.put(policy(WRONG, name="a"))
    book.put(policy(KEEP, name="a"))
    assert (_names(book), book.problems) == (["policy/a/0"], {})

    book.put(policy(WRONG, name="a"))
    book.remove("a")

    assert (_names(book), book.problems) == ([], {})
    book.put(policy(WRONG, name="a"))  # Another one of that name.
    assert not book.rules


def test_object_that_does_not_fit_is_left_out_as_a_whole() -> None:
    book = PolicyBook()
    full = POLICY_RULES_MAX // RULES_MAX
    for number in range(full):
        book.put(policy(*[KEEP] * RULES_MAX, name=f"p{number:02}"))

    book.put(policy(KEEP, name="z-last"))
    assert len(book.rules) == POLICY_RULES_MAX
    assert [each.reason for each in book.problems.values()] == ["TooManyRules"]
    assert str(book.problems["z-last"]) == (
        f"MasqueradePolicy z-last: spec.rules: 1 rules do not fit behind the {POLICY_RULES_MAX} of"
        f" policies before this one: all together may be {POLICY_RULES_MAX}: join rules, or delete"
        " policies that are not needed"
    )

    book.put(policy(KEEP, name="first", priority=0))
    assert _names(book)[0] == "policy/first/0"
    assert set(book.problems) == {f"p{full - 1:02}"}
    assert "policy/z-last/0" in _names(book)


def test_object_that_nobody_has_seen_is_none_and_may_go() -> None:
    book = PolicyBook()

    book.remove("a")

    assert (book.policy("a"), book.keeps_former("a"), book.rules) == (None, False, ())
