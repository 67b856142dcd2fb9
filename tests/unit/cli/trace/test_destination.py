"""`cli/trace/destination.py`: what may be typed for DEST."""

import pytest

from ciliate.cli.trace.destination import Destination, read_destination
from ciliate.cli.trace.errors import DestinationError


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("webpod", {"name": "webpod"}),
        ("webpod:80", {"name": "webpod", "port": "80"}),
        ("webpod:http", {"name": "webpod", "port": "http"}),
        ("shop/cart", {"namespace": "shop", "name": "cart"}),
        ("pod/webpod", {"kind": "pod", "name": "webpod"}),
        (
            "svc/shop/cart:80",
            {"kind": "service", "namespace": "shop", "name": "cart", "port": "80"},
        ),
        ("203.0.113.10", {"address": "203.0.113.10"}),
        ("203.0.113.10:80", {"address": "203.0.113.10", "port": "80"}),
        ("2001:db8::10", {"address": "2001:db8::10"}),
        ("[2001:db8::10]:443", {"address": "2001:db8::10", "port": "443"}),
    ],
)
def test_names_and_addresses_with_ports_are_told_apart(text: str, wanted: dict[str, str]) -> None:
    assert read_destination(text) == Destination(text, **wanted)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a/b/c", "no name and no address"),
        ("", "no name and no address"),
        ("shop/", "no name and no address"),
        ("webpod:", "the port is missing"),
        ("webpod:0", "0 is no port"),
        ("203.0.113.10:70000", "70000 is no port"),
        ("203.0.113.10:http", "'http' is no port's number"),
    ],
)
def test_what_names_nobody_is_refused_with_a_word_why(text: str, problem: str) -> None:
    with pytest.raises(DestinationError, match=problem):
        read_destination(text)
