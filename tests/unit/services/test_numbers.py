"""Ids: taken over from the maps, and not given to another soon."""

from ciliate.services.numbers import RESTING_MAX, BackendNumbers, Numbers

ONE, TWO, THREE = b"one", b"two", b"three"


def test_ids_count_from_one() -> None:
    numbers = Numbers()

    assert [numbers.take() for _ in range(3)] == [1, 2, 3]


def test_a_freed_id_rests_until_as_many_others_are_free() -> None:
    numbers = Numbers()
    first = numbers.take()
    numbers.free(first)

    taken = [numbers.take() for _ in range(RESTING_MAX)]
    for each in taken:
        numbers.free(each)

    assert first not in taken
    assert numbers.take() == first


def test_an_id_of_the_map_goes_to_who_had_it_and_to_nobody_else_before_all_have_asked() -> None:
    numbers = Numbers()
    numbers.adopt([3, 5])

    assert numbers.take() == 6
    assert numbers.take(preferred=5) == 5
    assert numbers.take(preferred=5) == 7, "a second one that claims it gets another"
    numbers.settle()
    assert numbers.take(preferred=3) == 8, "nobody took it over, so it rests"


def test_a_damaged_map_makes_no_id_that_needs_a_list_of_gigabytes() -> None:
    numbers = Numbers()
    numbers.adopt([1, 4_000_000_000])

    assert numbers.take() == 2
    assert numbers.take(preferred=4_000_000_000) == 3


def test_a_backend_has_one_id_for_all_who_name_it_until_the_last_does_not() -> None:
    backends = BackendNumbers()
    first = backends.name([ONE, TWO], held=set())
    again = backends.name([TWO], held=set())
    backends.unname(first)

    assert again == [first[1]]
    assert backends.key(again[0]) == TWO
    assert backends.take_lost() == {ONE}
    assert len(backends) == 1
    backends.unname(again)
    assert backends.take_lost() == {TWO}
    assert len(backends) == 0


def test_a_backend_that_is_named_again_is_not_lost() -> None:
    backends = BackendNumbers()
    backends.unname(backends.name([ONE], held=set()))
    backends.name([ONE], held=set())

    assert backends.take_lost() == frozenset()


def test_naming_what_one_names_already_counts_once() -> None:
    backends = BackendNumbers()
    held = backends.name([ONE], held=set())
    backends.name([ONE, TWO], held=set(held))
    backends.unname(held)

    assert backends.take_lost() == {ONE}


def test_backends_of_the_maps_keep_their_ids_and_the_rest_of_them_is_lost() -> None:
    backends = BackendNumbers()
    backends.adopt({ONE: 7, TWO: 9})
    named = backends.name([THREE, ONE], held=set())

    assert named == [10, 7]
    assert backends.take_lost() == frozenset(), "not all have been asked"
    backends.settle()
    assert backends.take_lost() == {TWO}


def test_two_backends_of_a_damaged_map_do_not_share_an_id() -> None:
    backends = BackendNumbers()
    backends.adopt({ONE: 1, TWO: 1})

    assert len(set(backends.name([ONE, TWO], held=set()))) == 2
