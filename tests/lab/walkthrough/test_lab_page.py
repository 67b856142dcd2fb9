"""`ciliate lab ui` beside section 2 of the walk-through: the lab in a browser, and a curl's way over it."""

import shutil
import subprocess
from collections.abc import Iterator

import pytest
from tests.lab.cluster import BIN
from tests.lab.walkthrough.place import CONTROL_PLANE, WORKER, Place
from tests.page.browser import DRIVER, Page, chromium
from tests.unit.flows.grpc_listener.fronted_server import HERE, free_port

pytestmark = pytest.mark.skipif(
    shutil.which(DRIVER) is None, reason=f"needs chromium and its {DRIVER}"
)

#: The hops of a packet in the list beside the picture: node, point.
HOPS = """
const packet = [...document.querySelectorAll(".hops")]
    .find((each) => each.querySelector("h3 span:last-child").textContent === args[0]);
return [...packet.querySelectorAll(".step")].map((step) =>
    [step.querySelector(".node").textContent, step.querySelector(".point").textContent]);
"""


@pytest.fixture(scope="module")
def lab_page(walk: Place) -> Iterator[Page]:
    """A browser before the page that `ciliate lab ui` serves."""
    port = free_port()
    words = ["lab", "ui", "--name", walk.lab.name, "--port", str(port), "--open-browser=false"]
    with subprocess.Popen(
        [str(BIN / "ciliate"), *words], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert f":{port}/" in process.stdout.readline()
            with chromium() as driver:
                page = Page(driver, f"http://{HERE}:{port}")
                page.prefer("prefers-reduced-motion", "reduce")
                yield page
        finally:
            process.terminate()


def shown_way(page: Page, destination: str) -> None:
    """Have the page show the newest way from curl-pod to a destination; nodes tell of it a little later."""
    page.open(f"?view=lab&from=default/curl-pod&to={destination}")
    page.wait(
        "document.querySelectorAll('.step').length > 0"
        " || (document.querySelector('.trace:not(:disabled)')?.click(), false)",
        within_s=30,
    )


def test_lab_is_drawn_with_its_machines_and_pods(walk: Place, lab_page: Page) -> None:
    lab_page.open("?view=lab")

    lab_page.wait("document.querySelectorAll('.machine').length === 3")
    assert lab_page.texts(".machine-name") == ["router", CONTROL_PLANE, WORKER]
    drawn = lab_page.run(
        "return [...document.querySelectorAll('[data-pod]')].map((e) => e.dataset.pod)"
    )
    assert {"default/curl-pod", f"default/{walk.webpod(WORKER)}"} <= set(drawn)


def test_curl_to_another_node_is_drawn_hop_by_hop(walk: Place, lab_page: Page) -> None:
    address = walk.webpod_ip(WORKER)
    walk.in_pod(f"curl -s -m 5 {address}")

    shown_way(lab_page, f"{address}:80")

    assert lab_page.run(HOPS, "SYN") == [[CONTROL_PLANE, "to-network"], [WORKER, "to-endpoint"]]
    assert lab_page.run(HOPS, "SYN, ACK") == [
        [WORKER, "to-network"],
        [CONTROL_PLANE, "to-endpoint"],
    ]
    marks = lab_page.run(
        "return [...document.querySelectorAll('.journey .mark')].map((e) => e.dataset.step)"
    )
    assert marks == ["1", "2", "3", "4"]


def test_curl_to_a_service_shows_what_its_socket_was_given(walk: Place, lab_page: Page) -> None:
    walk.in_pod("curl -s -m 5 webpod")

    shown_way(lab_page, "webpod:80")

    service = walk.lab.object("service", "webpod")["spec"]["clusterIP"]
    before, after = (lab_page.texts(f".change {tag}")[0] for tag in ("del", "ins"))
    assert before == f"{service}:80"
    assert after in {f"{walk.webpod_ip(node)}:80" for node in (CONTROL_PLANE, WORKER)}


def test_drop_shows_why(walk: Place, lab_page: Page) -> None:
    walk.in_pod("curl -s -m 1 http://240.0.0.1/", check=False)

    shown_way(lab_page, "240.0.0.1:80")

    assert lab_page.texts(".way .outcome")[0] == "dropped"
    assert lab_page.texts(".journey .mark.dropped text")[0] == "1"
    why, behind, remedy = lab_page.texts(".cause dd")[:3]
    assert "an address that no wire has" in why
    assert "the pod network" in behind
    assert "ask for one machine" in remedy
