from ciliate.reconcile.listeners import Listeners


def test_listeners_are_called_in_the_order_they_were_added_with_what_changed() -> None:
    calls: list[tuple[str, int | None, int | None]] = []
    listeners: Listeners[[int | None, int | None]] = Listeners()
    listeners(None, 0)
    listeners.add(lambda old, new: calls.append(("first", old, new)))
    listeners.add(lambda old, new: calls.append(("second", old, new)))

    listeners(None, 1)
    listeners(1, None)

    assert calls == [
        ("first", None, 1),
        ("second", None, 1),
        ("first", 1, None),
        ("second", 1, None),
    ]
