"""`reconcile/listeners.py`: who asked is told of every event from then on, in order."""

from ciliate.reconcile.listeners import Listeners


def test_everybody_is_told_in_the_order_in_which_they_asked() -> None:
    listeners: Listeners[str] = Listeners()
    told: list[str] = []
    listeners.add(lambda event: told.append(f"first {event}"))
    listeners.add(lambda event: told.append(f"second {event}"))

    listeners("a")
    listeners("b")

    assert told == ["first a", "second a", "first b", "second b"]


def test_late_listener_is_told_of_what_comes_only() -> None:
    listeners: Listeners[int, int] = Listeners()
    told: list[tuple[int, int]] = []
    listeners(1, 2)

    listeners.add(lambda old, new: told.append((old, new)))
    listeners(2, 3)

    assert told == [(2, 3)]


def test_event_without_listeners_is_no_error() -> None:
    listeners: Listeners[[]] = Listeners()

    listeners()
