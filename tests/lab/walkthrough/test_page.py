"""Section 1 of the walk-through: the page of flows, as its user reaches it."""

import contextlib
import re
import subprocess
from collections.abc import Iterator
from typing import Final

import pytest
from tests.lab.cluster import eventually
from tests.lab.walkthrough.place import NODE_IPS, Place
from tests.page.browser import Page, chromium

#: Where every node shows it.
NODE_PORT: Final = 30003


@pytest.fixture
def page(walk: Place) -> Iterator[Page]:
    """The page in a browser of this machine, by `cilium hubble ui`."""
    walk.typed("kubectl -n kube-system rollout status deployment/hubble-ui --timeout=60s")
    with forwarded(walk) as url, chromium() as driver:
        yield Page(driver, url)


@contextlib.contextmanager
def forwarded(walk: Place) -> Iterator[str]:
    words = ["cilium", "hubble", "ui", "--open-browser=false", "--port-forward", "0"]
    with subprocess.Popen(
        words, env=walk.environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"available at (http://\S+)", process.stdout.readline())
            assert found is not None
            yield found[1]
        finally:
            process.terminate()


def test_every_node_shows_the_page_to_the_router(walk: Place) -> None:
    for address in NODE_IPS.values():
        eventually(
            lambda address=address: (
                "<!doctype html>"  # type: ignore[misc]
                in walk.on("router", f"curl -s -m 2 http://{address}:{NODE_PORT}/", check=False)
            ),
            within_s=30,
            what=f"the page at {address}:{NODE_PORT}",
        )


def test_map_and_table_show_what_curl_pod_asks(walk: Place, page: Page) -> None:
    page.open("?namespace=default")
    page.wait("document.querySelector('.grid') !== null", within_s=60)
    walk.in_pod("curl -s -m 5 webpod")

    page.wait("document.querySelectorAll('.canvas .card').length >= 2", within_s=60)
    eventually(lambda: {"curl-pod", "webpod"} <= set(page.cards()), what="both on the map")
    assert "asked at TCP 80" in page.cards()["webpod"]

    page.filter("to-port=80")
    page.wait("document.querySelector('.grid').ariaRowCount > 1", within_s=60)
    asked = [row for row in page.rows() if row[1].startswith("default/curl-pod")]
    assert asked
    assert all(row[3] == "80" for row in asked)
    assert page.query == "?namespace=default&to-port=80"
    assert page.complaints() == []
