"""`cli/doctor/size_search.py`: the greatest size that passes."""

from hypothesis import given
from hypothesis import strategies as st

from ciliate.cli.doctor.size_search import SizeSearch


@given(limit=st.integers(68, 65534), more=st.integers(1, 70000), told=st.integers(0, 65535))
def test_search_ends_at_the_limit_after_few_tries(limit: int, more: int, told: int) -> None:
    search = SizeSearch(passes=68, fails=min(limit + more, 65535))
    if limit >= search.fails:
        return
    search = search.limited_to(max(told, limit))
    tries = 0
    while not search.is_done:
        size = search.next_size
        assert search.passes < size < search.fails
        search = search.after(size, passed=size <= limit)
        tries += 1

    assert search.passes == limit
    assert tries <= 16


def test_router_that_tells_what_cannot_be_changes_nothing() -> None:
    search = SizeSearch(passes=1000, fails=1500)

    assert search.limited_to(900) == search
    assert search.limited_to(1500) == search
    assert search.limited_to(1200) == SizeSearch(passes=1000, fails=1201)
