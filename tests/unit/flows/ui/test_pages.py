"""`flows/ui/pages.py`: the page's files, and nothing else of the machine's."""

from pathlib import Path

import pytest
from tests.unit.flows.ui.page_server import page

from ciliate.flows.ui import pages


async def test_every_answer_says_what_a_browser_may_do_with_it(tmp_path: Path) -> None:
    async with page(f"unix:{tmp_path}/none") as browser:
        for path, kind in (
            ("", "text/html"),
            ("app.js", "text/javascript"),
            ("lib/d3-force.js", "text/javascript"),
            ("healthz", "text/plain"),
            ("nothing", "text/plain"),
        ):
            async with browser.session.get(f"{browser.url}/{path}") as response:
                assert response.status == (404 if path == "nothing" else 200), path
                assert response.content_type == kind
                policy = response.headers["Content-Security-Policy"]
                assert policy.startswith("default-src 'none'; script-src 'self';")
                assert "unsafe" not in policy
                assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "../objects.py",
        "%2e%2e/objects.py",
        "..%2fobjects.py",
        "//etc/passwd",
        "lib/../../objects.py",
    ],
)
async def test_no_path_leads_out_of_the_folder(tmp_path: Path, path: str) -> None:
    async with (
        page(f"unix:{tmp_path}/none") as browser,
        browser.session.get(f"{browser.url}/{path}") as response,
    ):
        assert response.status == 404


async def test_library_that_is_missing_is_told_by_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pages, "LIBRARIES", ("d3-nothing",))
    async with (
        page(f"unix:{tmp_path}/none") as browser,
        browser.session.get(f"{browser.url}/lib/d3-nothing.js") as response,
    ):
        assert response.status == 404
    assert "`apt-get install node-d3-nothing` brings it" in caplog.text
