"""`reconcile/listeners.py`: a listener is called for every event after it was added, in order."""

from ciliate.reconcile.listeners import Listeners


def test_listeners_are_called_in_the_order_in_which_they_were_added() -> None:
    listeners: Listeners[str] = Listeners()
    calls: list[str] = []
    listeners.add(lambda event: calls.append(f"first {event}"))
    listeners.add(lambda event: calls.append(f"second {event}"))

    listeners("a")
    listeners("b")

    assert calls == ["first a", "second a", "first b", "second b"]


def test_late_listener_is_called_for_later_events_only() -> None:
    listeners: Listeners[int, int] = Listeners()
    calls: list[tuple[int, int]] = []
    listeners(1, 2)

    listeners.add(lambda old, new: calls.append((old, new)))
    listeners(2, 3)

    assert calls == [(2, 3)]


def test_event_without_listeners_is_no_error() -> None:
    listeners: Listeners[[]] = Listeners()

    listeners()


def test_listener_is_called_with_names_where_the_event_has_them() -> None:
    listeners: Listeners[...] = Listeners()
    calls: list[tuple[int, int]] = []

    def listen(old: int, *, new: int) -> None:
        calls.append((old, new))

    listeners.add(listen)

    listeners(1, new=2)

    assert calls == [(1, 2)]


def test_listener_that_was_removed_is_called_no_more_and_the_others_are() -> None:
    listeners: Listeners[int] = Listeners()
    calls: list[str] = []

    def first(event: int) -> None:
        calls.append(f"first {event}")

    listeners.add(first)
    listeners.add(lambda event: calls.append(f"second {event}"))

    listeners.remove(first)
    listeners.remove(first)
    listeners(1)

    assert calls == ["second 1"]


def test_listener_may_remove_itself_while_it_is_called() -> None:
    listeners: Listeners[[]] = Listeners()
    calls: list[str] = []

    def once() -> None:
        calls.append("once")
        listeners.remove(once)

    listeners.add(once)
    listeners.add(lambda: calls.append("always"))

    listeners()
    listeners()

    assert calls == ["once", "always", "always"]
