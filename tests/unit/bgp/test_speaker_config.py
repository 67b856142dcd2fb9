"""The configuration is one that ExaBGP itself takes, whatever the password."""

import os
import subprocess
import sys
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.bgp.objects import NODE_V4, session

from ciliate.bgp.model import Route, Session
from ciliate.bgp.speaker_config import commands, render, without_routes

MARKED = Route(
    ip_network("10.1.0.0/24"),
    NODE_V4,
    communities=("65000:100", "65535:65281"),
    large_communities=("65000:1:2",),
    local_preference=200,
)

SESSIONS = {
    "plain": session(),
    "no routes": session(routes=()),
    "marked": session(routes=(MARKED,), local_asn=65000, ttl=0),
    "signed": session(password=b"se\"c\\r;e't {}\n"),
    "graceful": session(restart_s=4095, hold_s=3, peer_port=1179, ttl=255),
    "any number": session(peer_asn=0),
    "by IPv6": session(
        local_address=ip_address("2001:db8::10"), peer_address=ip_address("2001:db8::1")
    ),
    "large numbers": session(local_asn=4294967295, peer_asn=4294967294, versions=(4,), routes=()),
}


@pytest.mark.parametrize("name", SESSIONS)
def test_exabgp_takes_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / "session.conf"
    path.write_text(render(SESSIONS[name]))

    done = subprocess.run(
        [sys.executable, "-m", "exabgp", "validate", "-nrv", str(path)],
        env={"PATH": os.environ["PATH"], "exabgp.log.destination": "stderr"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "error" not in done.stderr.replace("environment", "").lower(), done.stderr


@given(st.binary(min_size=1, max_size=80))
def test_no_octet_of_a_password_means_anything(password: bytes) -> None:
    plain, signed = (render(session(password=each)).splitlines() for each in (b"", password))

    assert len(signed) == len(plain) + 2


def test_changes_are_commands_withdrawals_first() -> None:
    other = Route(ip_network("10.2.0.0/24"), NODE_V4)
    told = session(routes=(MARKED, Route(ip_network("10.3.0.0/24"), NODE_V4)))
    wanted = session(routes=(replace(MARKED, communities=()), other))

    marked = "route 10.1.0.0/24 next-hop 192.0.2.10"
    assert commands(told, told) == ()
    assert commands(told, wanted) == (
        "withdraw route 10.3.0.0/24 next-hop 192.0.2.10",
        f"announce {marked} local-preference 200 large-community [ 65000:1:2 ]",
        "announce route 10.2.0.0/24 next-hop 192.0.2.10",
    )


def test_routes_are_what_a_session_may_change_while_it_lasts() -> None:
    def settings(each: Session) -> Session:
        return without_routes(each)

    assert settings(session(routes=())) == settings(session())
    assert settings(session(hold_s=9)) != settings(session())
    assert settings(session(password=b"x")) != settings(session())
