"""`masquerade/ports/alarm_events.py`: what an alarm tells."""

from tests.unit.masquerade.ports.samples import CURL, PORTS, page

from ciliate.masquerade.ports.alarm_events import alarm_text
from ciliate.masquerade.ports.alarms import Alarm


def test_an_alarm_names_destination_fill_holder_end_and_remedy() -> None:
    text = alarm_text(Alarm(page(26400, growth=1000.0), 80), [(CURL, 26000)])

    assert text.startswith(
        "26400 of the 32768 ports of 192.168.10.100 toward 203.0.113.10:80/TCP are in use (81%),"
        " 26000 of them by default/curl, and all in 6 s if that goes on: reuse connections,"
    )
    assert "node-port-range" in text


def test_an_alarm_of_a_full_destination_that_nobody_holds_most_of_says_so() -> None:
    text = alarm_text(Alarm(page(PORTS, growth=1000.0), 95), [])

    assert "are in use (100%): reuse" in text
