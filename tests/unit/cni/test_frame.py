"""The framing between plugin and agent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.cni.plugin_frame import render_frame

from ciliate.cni.errors import CniError
from ciliate.cni.frame import (
    STDIN_BYTES_MAX,
    Frame,
    parse_frame,
    stdin_length,
)

_TEXT = st.text(st.characters(blacklist_characters="\0=", codec="utf-8"), min_size=1)


@given(st.dictionaries(_TEXT.map(lambda text: f"CNI_{text}"), _TEXT), st.binary())
def test_frame_survives_the_way(environment: dict[str, str], stdin: bytes) -> None:
    frame = Frame(environment, stdin)

    assert parse_frame(render_frame(frame)) == frame


@given(st.binary(max_size=64))
def test_any_octets_are_a_frame_or_a_cni_error(noise: bytes) -> None:
    for octets in (noise, b"CNI1" + noise):
        try:
            parse_frame(octets)
        except CniError:
            continue


def test_frame_cut_anywhere_is_refused() -> None:
    whole = render_frame(Frame({"CNI_COMMAND": "DEL"}, b"{}"))

    for length in range(len(whole)):
        with pytest.raises(CniError):
            parse_frame(whole[:length])


def test_length_beyond_the_bound_is_refused_before_it_is_read() -> None:
    with pytest.raises(CniError, match="longer than 1048576"):
        stdin_length((STDIN_BYTES_MAX + 1).to_bytes(4, "big"))
