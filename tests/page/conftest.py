"""The page in a real Chromium, before the real page's server; flows of an Observer that plays them.

Where there is no Chromium (`apt-get install chromium chromium-driver`) tests skip by that name. The same
page before a real cluster: tests/lab/walkthrough.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.page.browser import DRIVER, Page, chromium
from tests.page.played_lab import PlayedLab, played_lab
from tests.page.played_observer import Play
from tests.page.played_observer import played as played_relay
from tests.page.server import page_server

HERE: Final = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if shutil.which(DRIVER) is None:
        for item in items:
            if item.path.is_relative_to(HERE):
                item.add_marker(pytest.mark.skip(reason=f"needs chromium and its {DRIVER}"))


@pytest.fixture(scope="session")
def observer() -> Iterator[Play]:
    """The relay of all tests; each begins it anew (`play`)."""
    with played_relay() as play:
        yield play


@pytest.fixture
def play(observer: Play) -> Iterator[Play]:
    """A relay of two nodes that has no flows yet."""
    observer.begin()
    yield observer
    observer.begin()


@pytest.fixture(scope="session")
def url(observer: Play) -> Iterator[str]:
    """Where the page is served."""
    with page_server(observer.address) as address:
        yield address


@pytest.fixture(scope="session")
def opened(url: str) -> Iterator[Page]:
    """One browser for all tests: it takes a second to start."""
    with chromium() as driver:
        yield Page(driver, url)


@pytest.fixture
def modules(opened: Page) -> Page:
    """The page's modules alone: for what looks at nothing."""
    if not opened.driver.current_url.startswith(opened.url):
        opened.open()
    return opened


@pytest.fixture
def page(opened: Page, play: Play) -> Iterator[Page]:
    """A tab that remembers nothing of other tests, and complained of nothing when the test is over."""
    opened.forget()
    yield opened
    assert opened.complaints() == []
    opened.leave()


@pytest.fixture(scope="session")
def played(observer: Play, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlayedLab]:
    """A lab that was recorded, behind the page that `ciliate lab ui` serves."""
    with played_lab(observer.address, tmp_path_factory.mktemp("lab") / "lab.json") as lab:
        yield lab


@pytest.fixture
def lab(opened: Page, play: Play, played: PlayedLab) -> Iterator[Page]:
    """The page with the lab's view; it complained of nothing when the test is over."""
    played.begin()
    page = Page(opened.driver, played.url)
    page.forget()
    yield page
    assert page.complaints() == []
    page.leave()
