"""`cli/browser.py`: a browser is opened where there is a screen."""

import os
import webbrowser

import pytest

from ciliate.cli.browser import has_browser, show_page


def test_browser_needs_a_screen() -> None:
    assert not has_browser({})
    assert not has_browser({"TERM": "xterm", "PATH": os.environ["PATH"]})


@pytest.mark.parametrize(
    ("wanted", "screen", "opened"), [(True, ":0", True), (False, ":0", False), (True, "", False)]
)
def test_page_is_opened_or_told(
    *,
    wanted: bool,
    screen: str,
    opened: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", shown.append)
    monkeypatch.setattr(webbrowser, "get", lambda: None)
    for name in ("WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", screen)

    show_page("http://here/", wanted=wanted, opening="opening", available="it is there")

    assert shown == (["http://here/"] if opened else [])
    assert capsys.readouterr().out == ("opening\n" if opened else "it is there\n")
