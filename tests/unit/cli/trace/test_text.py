"""`cli/trace/text.py`: what people read."""

from dataclasses import replace

from tests.unit.cli.trace.seen_flows import (
    AROUND,
    CTR,
    LXC,
    POD,
    SERVICE,
    SOUGHT,
    WEB,
    WORLD,
    back,
    call,
    curl,
    flow,
    forged_ping,
    ping_world,
    there,
    toward,
    ways,
)

from ciliate.cli.trace.event import Event
from ciliate.cli.trace.sought import Sought
from ciliate.cli.trace.text import Look, way_text

CURL = """\
default/curl-pod (10.244.0.36:36234) -> Service default/webpod (10.96.8.89:80), TCP, at 13:41:04.081
 -> the socket's call
     0.000 ms  k8s-ctr  pre-xlate-fwd                    traced      asks for 10.96.8.89:80 (Service default/webpod)
     0.017 ms  k8s-ctr  post-xlate-fwd                   translated  gets 10.244.1.244:80 (default/webpod-n77wf)
 -> SYN
     0.065 ms  k8s-ctr  to-network      lxce06d6a8d54e0  forwarded   leaves for 10.244.1.244:80
     0.088 ms  k8s-w1   to-endpoint     eth1             forwarded   reaches default/webpod-n77wf
 <- SYN+ACK
     0.134 ms  k8s-w1   to-network      lxcc0d89ab7beb1  forwarded   leaves for 10.244.0.36:36234
     0.142 ms  k8s-ctr  to-endpoint     eth1             forwarded   reaches default/curl-pod
 <- the socket's peer
     0.240 ms  k8s-ctr  post-xlate-rev                   translated  is told 10.96.8.89:80 (Service default/webpod)
 .. the same ways, until 19.652 ms: -> ACK, -> ACK+PSH, <- ACK+PSH, -> ACK+FIN, <- ACK+FIN
"""

PING = """\
default/curl-pod (10.244.0.36) -> world (203.0.113.10), ICMP, at 13:41:04.081
 -> EchoRequest
     0.000 ms  k8s-ctr  to-network   lxce06d6a8d54e0  forwarded   leaves for 203.0.113.10, source 10.244.0.36 becomes 10.0.2.15
 <- EchoReply
     0.103 ms  k8s-ctr  to-endpoint  eth0             forwarded   reaches default/curl-pod, 10.0.2.15 is 10.244.0.36 again
"""

FORGED = """\
default/curl-pod (as 10.99.99.99) -> world (203.0.113.10), ICMP, at 13:41:04.081
 -> EchoRequest
     0.000 ms  k8s-ctr  drop  lxce06d6a8d54e0  dropped     10.99.99.99 -> 203.0.113.10 ends here
         why: the pod sent it from an address that is not its own (from_pod.bpf.c:42)
   behind it: `enable-source-ip-verification` (true as it comes)
      change: send from the pod's own address; `enable-source-ip-verification: false` lets all pods
              of all nodes send from any
"""


def text(events: list[Event], sought: Sought = SOUGHT, look: Look | None = None) -> str:
    """The text of the one way that events make."""
    (way,) = ways(events, sought)
    return way_text(way, AROUND, look or Look())


def test_curl_of_a_service_shows_the_call_and_the_first_packet_of_each_direction() -> None:
    assert text(curl()) == CURL


def test_ping_to_the_world_shows_the_masquerading_and_its_undoing() -> None:
    assert text(ping_world(), toward(WORLD)) == PING


def test_drop_says_why_what_is_behind_and_what_would_change_it() -> None:
    assert text([forged_ping()], toward(WORLD)) == FORGED


def test_call_that_is_refused_says_why_and_whom_to_ask() -> None:
    shown = text(call()[:1])

    assert "ECONNREFUSED" in shown
    assert "`ciliate explain service default/webpod --from default/curl-pod`" in " ".join(
        shown.split()
    )
    assert "monitor-aggregation" not in shown


def test_every_packet_is_shown_where_that_is_asked_for() -> None:
    shown = text(curl(), look=Look(is_whole=True))

    assert shown.count(" -> ACK+PSH\n") == 1
    assert " .. " not in shown


def test_later_packet_that_went_another_way_is_shown() -> None:
    lost = there(400, "ACK, PSH")[:1]

    shown = text(
        [*there(0, "SYN"), *back(60, "SYN, ACK"), *there(90, "ACK"), *lost], toward(WEB, 80)
    )

    assert " -> ACK+PSH\n" in shown
    assert " .. the same ways, until 0.113 ms: -> ACK\n" in shown


def test_service_that_was_translated_in_each_packet_is_named() -> None:
    reply = flow(
        *(142, CTR, "to-endpoint", f"{SERVICE}:80", f"{POD}:36234"),
        packet="SYN, ACK",
        device="eth1",
        is_reply=True,
    )

    shown = text([*there(65, "SYN"), back(134, "SYN, ACK")[0], reply])

    assert "-> Service default/webpod (10.96.8.89:80), TCP" in shown
    assert "reaches default/curl-pod from 10.96.8.89:80 (Service default/webpod)" in shown
    assert f"the datapath put {WEB}:80 in the place of the Service" in shown


def test_colours_are_there_where_they_are_wanted_alone() -> None:
    assert "\x1b[" not in text(curl())
    assert "\x1b[36m" in text(curl(), look=Look(colours=True))


def test_names_of_others_move_no_cursor() -> None:
    evil = [replace(each, device=LXC + "\x1b[2J") for each in ping_world()]

    assert "\x1b" not in text(evil, toward(WORLD))
